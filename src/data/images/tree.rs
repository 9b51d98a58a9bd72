//! Which files of a folder are images, and in what order.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::file::plain;
use crate::{Error, Result};

/// Endings of names of images that are read.
const READ: [&str; 3] = ["png", "jpg", "jpeg"];
/// Endings of names of images that are not: leaving them out in silence would be a surprise.
const FOREIGN: [&str; 12] =
    ["gif", "bmp", "tif", "tiff", "webp", "avif", "heic", "jxl", "jp2", "ppm", "pgm", "tga"];

/// A folder of images that are all of one class.
pub(in super::super) struct ClassFolder {
    /// The name of the folder.
    pub name: String,
    /// Every image in it, sorted by path; at least one.
    pub files: Vec<PathBuf>,
}

/// The folders in a folder, sorted by name, each with its images. Hidden folders are left out, and so are files
/// beside the folders.
///
/// # Errors
/// [`Error::Unreadable`] if there is no folder, or one without an image, and for dangling links.
pub(in super::super) fn classes(folder: &Path) -> Result<Vec<ClassFolder>> {
    let mut classes = Vec::new();
    for path in entries(folder)? {
        // A link that leads nowhere may have been a class.
        let kind = fs::metadata(&path).map_err(|error| Error::unreadable(&path, plain(&error)))?;
        if !kind.is_dir() {
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let name = name.ok_or_else(|| Error::unreadable(&path, "has a name that is not UTF-8"))?;
        let files = files(&path)?;
        if files.is_empty() {
            return Err(Error::unreadable(
                &path,
                "holds no image, though each folder is a class; put PNG or JPEG files there or remove it",
            ));
        }
        classes.push(ClassFolder { name, files });
    }
    if classes.is_empty() {
        return Err(Error::unreadable(folder, "has no folders in it; expected one for each class"));
    }
    classes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(classes)
}

/// Whether there are folders in a folder that could be classes.
pub(in super::super) fn has_folders(folder: &Path) -> bool {
    entries(folder).is_ok_and(|entries| entries.iter().any(|path| path.is_dir()))
}

/// Every image in a folder and the folders in it, sorted by path. Hidden files and what is no image by its name are
/// left out.
///
/// # Errors
/// [`Error::Unreadable`] for images of a kind that is not read, dangling links, and links that lead in a circle.
pub(in super::super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    walk(folder, &mut Vec::new(), &mut found)?;
    found.sort();
    Ok(found)
}

/// Whether a file is a PNG or a JPEG by its name.
pub(in super::super) fn is_named_as_image(path: &Path) -> bool {
    ends_in(path, &READ)
}

fn ends_in(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| endings.contains(&ending.as_str()))
}

fn walk(folder: &Path, above: &mut Vec<PathBuf>, found: &mut Vec<PathBuf>) -> Result<()> {
    let real = folder.canonicalize().map_err(|error| Error::unreadable(folder, plain(&error)))?;
    if above.contains(&real) {
        return Err(Error::unreadable(
            folder,
            "leads back, over a link, to a folder that it lies in; remove the link",
        ));
    }
    above.push(real);
    for path in entries(folder)? {
        let kind = fs::metadata(&path).map_err(|error| Error::unreadable(&path, plain(&error)))?;
        if kind.is_dir() {
            walk(&path, above, found)?;
        } else if ends_in(&path, &FOREIGN) {
            return Err(Error::unreadable(
                &path,
                "is an image of a kind that is not read; convert it to PNG",
            ));
        } else if is_named_as_image(&path) {
            found.push(path);
        }
    }
    above.pop();
    Ok(())
}

/// What lies in a folder and is not hidden.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let refuse = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::unreadable(folder, "there is no such folder"),
        std::io::ErrorKind::NotADirectory => Error::unreadable(folder, "is a file; expected a folder"),
        _ => Error::unreadable(folder, plain(&error)),
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    Ok(paths)
}
