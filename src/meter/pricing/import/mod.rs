//! Public price lists made into rows of ours. Each list has its own file; what they share is here: which of their
//! providers is which account kind, and that a price of 0 is one nobody knows.

mod genai;
mod litellm;
mod merge;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::date::Date;
use super::decimal::scaled;
use super::listed::Listed;
use super::table::Table;

pub use merge::{Change, merge};

pub struct Imported {
    /// Whose list it is: what its rows say as `source`.
    pub source: String,
    pub rows: Vec<Listed>,
}

/// Reads a list of LiteLLM's, of genai-prices' or of ours, told apart by their shape. `checked` is the day it was
/// fetched.
pub fn import(text: &str, checked: Date) -> Result<Imported, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    let (source, mut rows) = match &value {
        Value::Object(list) if list.contains_key("schema") => {
            let table = Table::read(text.to_owned()).map_err(|(line, fault)| format!("line {line}: {fault}"))?;
            return Ok(Imported { source: "own".to_owned(), rows: table.rows() });
        }
        Value::Object(list) => ("litellm", litellm::rows(list)),
        Value::Array(providers) => ("genai-prices", genai::rows(providers)),
        _ => ("", Vec::new()),
    };
    // A list that has become something else must not empty a table.
    if rows.is_empty() {
        return Err("neither LiteLLM's nor genai-prices' list nor a table of Sluice's: no price found in it".to_owned());
    }
    // The list may say itself how old it is.
    let said = value.get("last_updated").and_then(Value::as_str).and_then(|text| Date::parse(text.get(..10)?));
    let checked = said.map_or(checked, |said| said.min(checked));
    for row in &mut rows {
        (row.source, row.checked) = (source.to_owned(), Some(checked));
        row.also.retain(|alias| is_plain(alias));
    }
    // What would not read back is not taken: the rest of the list is still good.
    rows.retain(|row| Listed::read(&row.line()).is_ok());
    Ok(Imported { source: source.to_owned(), rows })
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(['"', '\\']) && !text.chars().any(char::is_control)
}

/// A number times `10^shift`; none when it is 0, which these lists write where they do not know.
fn rate(value: &Value, shift: i32) -> Option<i64> {
    scaled(&value.as_number()?.to_string(), shift).filter(|rate| *rate > 0)
}

/// Zero, said as a number.
fn is_zero(value: Option<&Value>) -> bool {
    value.and_then(Value::as_number).and_then(|number| scaled(&number.to_string(), 12)) == Some(0)
}
