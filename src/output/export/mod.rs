//! One table, four forms.

pub(super) mod csv;
mod fit;
pub(super) mod json;
pub(super) mod markdown;
pub(super) mod text;
