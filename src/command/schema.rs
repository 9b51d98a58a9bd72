//! `runner schema`: JSON Schemas, for editors and other programs.

use super::print;
use crate::cli::{SchemaArgs, SchemaSubject};
use crate::config::schema;
use crate::error::EXIT_OK;
use crate::store::RunRecord;
use crate::{Error, Result};

/// Prints the schema, indented.
pub fn execute(args: &SchemaArgs) -> Result<u8> {
    let text = match args.subject {
        SchemaSubject::Experiment => serde_json::to_string_pretty(schema::experiment()),
        SchemaSubject::Run => serde_json::to_string_pretty(&RunRecord::schema()),
    };
    let text = text.map_err(|error| Error::Bug(format!("a schema is no JSON: {error}")))?;
    print(&text)?;
    Ok(EXIT_OK)
}
