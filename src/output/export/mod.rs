//! One table, four forms.

pub(super) mod csv;
pub(super) mod json;
pub(super) mod markdown;
pub(super) mod text;
