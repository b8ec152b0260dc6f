//! Reading the members of a client's body: each either has the documented shape, or an [`Invalid`] names it as the
//! caller spells it. `null` is read by nobody: it means that the member is not there.

use serde_json::{Map, Value};

use crate::dialect::common::{Invalid, Lost};

pub(super) type Object = Map<String, Value>;

/// Where a value stands in the body: `messages[2].content`. Spelled out only when something is wrong there.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    Root,
    Name(&'a At<'a>, &'a str),
    Item(&'a At<'a>, usize),
}

impl<'a> At<'a> {
    pub fn name(&'a self, name: &'a str) -> At<'a> {
        At::Name(self, name)
    }

    pub fn item(&'a self, index: usize) -> At<'a> {
        At::Item(self, index)
    }

    pub fn path(&self) -> String {
        match self {
            At::Root => String::new(),
            At::Name(At::Root, name) => (*name).to_owned(),
            At::Name(of, name) => format!("{}.{name}", of.path()),
            At::Item(of, index) => format!("{}[{index}]", of.path()),
        }
    }

    #[cold]
    pub fn expected(&self, what: &str) -> Invalid {
        let path = self.path();
        Invalid::new(if path.is_empty() { "body".to_owned() } else { path }, what)
    }

    pub fn object<'v>(&self, value: &'v Value) -> Result<&'v Object, Invalid> {
        value.as_object().ok_or_else(|| self.expected("an object"))
    }

    pub fn array<'v>(&self, value: &'v Value) -> Result<&'v [Value], Invalid> {
        value.as_array().map(Vec::as_slice).ok_or_else(|| self.expected("an array"))
    }

    pub fn string<'v>(&self, value: &'v Value) -> Result<&'v str, Invalid> {
        value.as_str().ok_or_else(|| self.expected("a string"))
    }

    pub fn flag(&self, value: &Value) -> Result<bool, Invalid> {
        value.as_bool().ok_or_else(|| self.expected("true or false"))
    }

    pub fn whole(&self, value: &Value, min: u64, max: u64) -> Result<u64, Invalid> {
        let number = value.as_u64().filter(|number| (min..=max).contains(number));
        number.ok_or_else(|| match max {
            u64::MAX => self.expected(&format!("a whole number from {min} on")),
            max => self.expected(&format!("a whole number from {min} to {max}")),
        })
    }

    /// As it was spelled.
    pub fn number(&self, value: &Value) -> Result<Value, Invalid> {
        if value.is_number() { Ok(value.clone()) } else { Err(self.expected("a number")) }
    }

    /// The string `name` of `object`, which must be there.
    pub fn required<'v>(&self, object: &'v Object, name: &str) -> Result<&'v str, Invalid> {
        self.name(name).string(object.get(name).unwrap_or(&Value::Null))
    }

    /// The string `name` of `object`, if it is there.
    pub fn optional<'v>(&self, object: &'v Object, name: &str) -> Result<Option<&'v str>, Invalid> {
        present(object, name).map(|value| self.name(name).string(value)).transpose()
    }

    /// What of `object` nobody here knows is lost.
    pub fn others(&self, object: &Object, known: &[&str], lost: &mut Lost) {
        for (name, value) in object {
            if !value.is_null() && !known.contains(&name.as_str()) {
                lost.named(self.name(name).path());
            }
        }
    }
}

/// The member, unless it is null.
pub(super) fn present<'v>(object: &'v Object, name: &str) -> Option<&'v Value> {
    object.get(name).filter(|value| !value.is_null())
}
