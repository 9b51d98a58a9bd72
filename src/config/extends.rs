//! Files that build on files: `extends = "base.toml"`, or a list of them.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use toml::Value;

use super::layer::Layer;
use crate::setting::{Diagnostic, Excerpt, KeyPath, Segment, nearest};
use crate::{Error, Result};

/// The key that names the files below one.
pub(super) const KEY: &str = "extends";
/// More files than anyone layers; more are taken for a mistake.
const MOST_FILES: usize = 64;

/// The layers of the file at `path`: the files that it extends, in the order of its list, then itself.
///
/// Each file is there once, above all that it extends. Where two files extend the same base, it lies below
/// both, so that neither of them loses what it changes.
pub(super) fn stack(path: &Path) -> Result<Vec<Layer>> {
    let mut stack = Stack::default();
    let layer = Layer::file(path)?;
    // What is no file on a disk, such as a pipe, has no other name, and nothing can extend it.
    let canonical = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    stack.push(layer, canonical);
    if stack.problems.is_empty() { Ok(stack.layers) } else { Err(Error::Settings(stack.problems)) }
}

#[derive(Default)]
struct Stack {
    /// Lowest first.
    layers: Vec<Layer>,
    /// The canonical paths of the files that were read.
    known: BTreeSet<PathBuf>,
    /// The files whose bases are being read, each extended by the one before: canonical path and origin.
    open: Vec<(PathBuf, String)>,
    problems: Vec<Diagnostic>,
}

/// One file that another extends.
struct Entry<'a> {
    /// As it was written.
    written: &'a str,
    /// To be opened.
    path: PathBuf,
    /// Where it was written.
    excerpt: Excerpt,
}

impl Stack {
    /// Adds a file above all that it extends.
    fn push(&mut self, mut layer: Layer, canonical: PathBuf) {
        self.known.insert(canonical.clone());
        self.open.push((canonical, layer.origin.clone()));
        match layer.table.remove(KEY) {
            None => {}
            Some(Value::Array(list)) => {
                for (index, value) in list.iter().enumerate() {
                    self.extend(&layer, value, Some(index));
                }
            }
            Some(value) => self.extend(&layer, &value, None),
        }
        self.open.pop();
        self.layers.push(layer);
    }

    /// Adds what `value`, the only one or an entry of a list, names in `layer`.
    fn extend(&mut self, layer: &Layer, value: &Value, index: Option<usize>) {
        let mut at = KeyPath::parse(KEY);
        at.0.extend(index.map(Segment::Index));
        let excerpt = layer.excerpt(&at, false);
        let Some(written) = value.as_str() else {
            let message = format!("wrong value for `{KEY}`: {}", describe(value));
            let expected =
                if index.is_some() { "expected a path" } else { "expected a path or a list of paths" };
            return self.refuse(excerpt, message, expected, None);
        };
        if written.is_empty() {
            return self.refuse(excerpt, format!("`{KEY}` is empty"), "expected the path of a file", None);
        }
        let entry = Entry { written, path: clean(layer.base.join(written)), excerpt };
        if let Some((base, canonical)) = self.read(&entry) {
            self.push(base, canonical);
        }
    }

    /// The file, if it is not there yet and can be read.
    fn read(&mut self, entry: &Entry<'_>) -> Option<(Layer, PathBuf)> {
        let Ok(canonical) = entry.path.canonicalize() else {
            self.refuse_absent(entry);
            return None;
        };
        if let Some(first) = self.open.iter().position(|(open, _)| *open == canonical) {
            let circle: Vec<&str> = self.open[first..].iter().map(|(_, origin)| origin.as_str()).collect();
            let message = match circle.as_slice() {
                [alone] => format!("{alone} extends itself"),
                _ => format!("files extend each other: {} → {}", circle.join(" → "), circle[0]),
            };
            self.refuse(entry.excerpt.clone(), message, "", None);
            return None;
        }
        if self.known.contains(&canonical) {
            return None;
        }
        let shown = entry.path.display();
        let reason = if canonical.is_dir() {
            format!("{shown} is a folder")
        } else if self.known.len() == MOST_FILES {
            format!("there are more than {MOST_FILES} files to layer")
        } else {
            match Layer::file(&entry.path) {
                Ok(mut layer) => {
                    layer.via = Some(entry.excerpt.place());
                    return Some((layer, canonical));
                }
                Err(Error::Settings(found)) => {
                    self.problems.extend(found.into_iter().map(|found| extended_by(found, &entry.excerpt)));
                    return None;
                }
                Err(error) => error.to_string(),
            }
        };
        self.refuse(entry.excerpt.clone(), reason, "expected an experiment file", None);
        None
    }

    fn refuse_absent(&mut self, entry: &Entry<'_>) {
        let is_open = |path: &Path| {
            path.canonicalize().is_ok_and(|path| self.open.iter().any(|(open, _)| *open == path))
        };
        let near = nearest_file(&entry.path, is_open).map(|name| {
            let near = Path::new(entry.written).with_file_name(name);
            format!("did you mean \"{}\"?", near.display())
        });
        let message = format!("there is no file {}", entry.path.display());
        self.refuse(entry.excerpt.clone(), message, "", near);
    }

    fn refuse(&mut self, excerpt: Excerpt, message: String, expected: &str, help: Option<String>) {
        let (label, notes) = (expected.to_owned(), Vec::new());
        self.problems.push(Diagnostic { message, excerpt: Some(excerpt), label, notes, help });
    }
}

fn extended_by(mut found: Diagnostic, by: &Excerpt) -> Diagnostic {
    if let Some(excerpt) = &mut found.excerpt {
        excerpt.via = Some(by.place());
    }
    found
}

/// A value that is no path, in words.
fn describe(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
        other => other.to_string(),
    }
}

/// The file in the folder of `path` whose name is nearest to its own, less those that are left out.
fn nearest_file(path: &Path, is_left_out: impl Fn(&Path) -> bool) -> Option<String> {
    let folder = match path.parent()? {
        empty if empty.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    };
    let entries = std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let files = entries.filter(|path| path.is_file() && !is_left_out(path));
    let mut names: Vec<String> =
        files.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect();
    names.sort();
    let name = path.file_name()?.to_string_lossy();
    nearest(&name, names.iter().map(String::as_str)).map(str::to_owned)
}

/// The path without `.` and `..`, if it still leads to the same file: `a/../b` may lie elsewhere than `b`
/// where `a` is a link.
fn clean(path: PathBuf) -> PathBuf {
    let mut short = PathBuf::new();
    for component in path.components() {
        match (component, short.components().next_back()) {
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir)) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                short.pop();
            }
            (component, _) => short.push(component),
        }
    }
    let is_same = match (short.canonicalize(), path.canonicalize()) {
        (Ok(short), Ok(path)) => short == path,
        (_, Err(_)) => true,
        (Err(_), Ok(_)) => false,
    };
    if is_same { short } else { path }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Files by name and text, in a folder of their own.
    struct Files(tempfile::TempDir);

    impl Files {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in files {
                let path = folder.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(folder)
        }

        fn stack(&self, name: &str) -> Result<Vec<Layer>> {
            stack(&self.0.path().join(name))
        }

        /// A text without the folder's own path.
        fn plain(&self, text: &str) -> String {
            text.replace(&format!("{}/", self.0.path().display()), "")
        }

        fn origins(&self, name: &str) -> Vec<String> {
            let layers = self.stack(name).unwrap_or_else(|error| panic!("{error}"));
            layers.iter().map(|layer| self.plain(&layer.origin)).collect()
        }

        fn refused(&self, name: &str) -> Vec<String> {
            let Err(Error::Settings(found)) = self.stack(name) else { panic!("it was accepted") };
            found.iter().map(|found| self.plain(&found.to_string())).collect()
        }
    }

    #[test]
    fn bases_come_first_in_the_order_of_the_list_and_are_meant_from_the_files_folder() {
        let files = Files::new(&[
            ("exp/a.toml", "extends = ['./x/../b.toml', '../c.toml']\nseed = 1\n"),
            ("exp/b.toml", "extends = 'x/d.toml'\n"),
            ("exp/x/d.toml", "data.path = 'here'\n"),
            ("c.toml", ""),
        ]);
        assert_eq!(files.origins("exp/a.toml"), ["exp/x/d.toml", "exp/b.toml", "c.toml", "exp/a.toml"]);
        let layers = files.stack("exp/a.toml").unwrap();
        assert_eq!(layers[0].base, files.0.path().join("exp/x"));
        assert_eq!(files.plain(layers[0].via.as_deref().unwrap()), "exp/b.toml:1:11");
        assert!(layers.iter().all(|layer| !layer.table.contains_key(KEY)));
    }

    #[test]
    fn a_base_that_two_files_extend_lies_once_below_both() {
        let files = Files::new(&[
            ("a.toml", "extends = ['b.toml', 'c.toml']"),
            ("b.toml", "extends = 'd.toml'"),
            ("c.toml", "extends = './d.toml'"),
            ("d.toml", ""),
        ]);
        assert_eq!(files.origins("a.toml"), ["d.toml", "b.toml", "c.toml", "a.toml"]);
        // A chain of them has 2^n ways and n files.
        let level = |n: usize| (format!("{n}.toml"), format!("extends = ['{0}.toml', '{0}.toml']", n + 1));
        let mut chain: Vec<(String, String)> = (0..MOST_FILES - 1).map(level).collect();
        chain.push((format!("{}.toml", MOST_FILES - 1), String::new()));
        let chain: Vec<(&str, &str)> = chain.iter().map(|(name, text)| (&**name, &**text)).collect();
        assert_eq!(Files::new(&chain).origins("0.toml").len(), MOST_FILES);
    }

    #[test]
    fn too_many_files_are_refused() {
        let level = |n: usize| (format!("{n}.toml"), format!("extends = '{}.toml'", n + 1));
        let chain: Vec<(String, String)> = (0..MOST_FILES + 9).map(level).collect();
        let chain: Vec<(&str, &str)> = chain.iter().map(|(name, text)| (&**name, &**text)).collect();
        let found = Files::new(&chain).refused("0.toml");
        assert_eq!(found, ["63.toml:1:11: there are more than 64 files to layer"]);
    }

    #[test]
    fn a_circle_is_refused_where_it_closes() {
        let files = Files::new(&[
            ("a.toml", "extends = 'b.toml'"),
            ("b.toml", "extends = ['x/c.toml']"),
            ("x/c.toml", "extends = '../x/../b.toml'"),
            ("self.toml", "extends = 'self.toml'"),
        ]);
        assert_eq!(
            files.refused("a.toml"),
            ["x/c.toml:1:11: files extend each other: b.toml → x/c.toml → b.toml"]
        );
        assert_eq!(files.refused("self.toml"), ["self.toml:1:11: self.toml extends itself"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_before_dots_are_and_a_circle_through_one_is_seen() {
        let files = Files::new(&[
            ("a.toml", "extends = 'link/../base.toml'"),
            ("far/base.toml", "extends = '../again.toml'"),
            ("base.toml", ""),
        ]);
        let folder = files.0.path();
        fs::create_dir(folder.join("far/below")).unwrap();
        std::os::unix::fs::symlink(folder.join("far/below"), folder.join("link")).unwrap();
        std::os::unix::fs::symlink(folder.join("a.toml"), folder.join("again.toml")).unwrap();
        let found = files.refused("a.toml");
        assert!(found[0].starts_with("link/../base.toml:1:11: files extend each other: "), "{found:?}");
    }

    #[test]
    fn what_is_no_file_of_settings_is_refused_at_its_entry() {
        let files = Files::new(&[
            ("a.toml", "extends = ['', 3, 'x', 'bsae.toml', 'x/blurred.toml', 'bad.toml']"),
            ("base.toml", ""),
            ("x/blurry.toml", ""),
            ("bad.toml", "a = \n"),
            ("one.toml", "extends = { file = 'base.toml' }"),
            ("none.toml", "extends = []"),
        ]);
        let expected = [
            "a.toml:1:12: `extends` is empty",
            "a.toml:1:16: wrong value for `extends`: 3",
            "a.toml:1:19: x is a folder",
            "a.toml:1:24: there is no file bsae.toml",
            "a.toml:1:37: there is no file x/blurred.toml",
        ];
        let found = files.refused("a.toml");
        assert_eq!(found[..5], expected);
        assert!(found[5].starts_with("bad.toml:1:"), "{}", found[5]);
        let Err(Error::Settings(whole)) = files.stack("a.toml") else { panic!("it was accepted") };
        let help: Vec<&str> = whole.iter().filter_map(|found| found.help.as_deref()).collect();
        assert_eq!(help, ["did you mean \"base.toml\"?", "did you mean \"x/blurry.toml\"?"]);
        let via = whole[5].excerpt.as_ref().unwrap().via.as_deref().unwrap();
        assert_eq!(files.plain(via), "a.toml:1:55");
        assert_eq!(files.refused("one.toml"), ["one.toml:1:11: wrong value for `extends`: a table"]);
        assert_eq!(files.origins("none.toml"), ["none.toml"]);
    }
}
