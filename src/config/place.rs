//! Where a key or a value stands in a parsed text.

use std::ops::Range;

use toml_edit::{Document, Item, TableLike};

use crate::setting::Segment;

/// The span of the key or the value at `path`, or of the innermost thing on the way to it that has one.
pub(super) fn find(document: &Document<String>, path: &[Segment], of_key: bool) -> Option<Range<usize>> {
    in_table(document.as_table(), path, of_key)
}

fn in_table(table: &dyn TableLike, path: &[Segment], of_key: bool) -> Option<Range<usize>> {
    let (Segment::Key(first), rest) = path.split_first()? else { return None };
    let (key, item) = table.get_key_value(first)?;
    if rest.is_empty() && of_key {
        return key.span();
    }
    let own = match item {
        // A table's own span is its header; a dotted or inline one is best shown by its key.
        Item::Table(table) if table.is_dotted() || table.span().is_none() => key.span(),
        _ => item.span().or_else(|| key.span()),
    };
    below(item, rest, of_key).or(own)
}

fn below(item: &Item, path: &[Segment], of_key: bool) -> Option<Range<usize>> {
    match path.first()? {
        Segment::Key(_) => in_table(item.as_table_like()?, path, of_key),
        Segment::Index(index) => {
            if let Some(table) = item.as_array_of_tables().and_then(|tables| tables.get(*index)) {
                return in_table(table, &path[1..], of_key).or_else(|| table.span());
            }
            let value = item.as_array()?.get(*index)?;
            let inner = Item::Value(value.clone());
            below(&inner, &path[1..], of_key).or_else(|| value.span())
        }
    }
}
