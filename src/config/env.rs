//! The process environment, passed in so that a test need not change the real one.

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Looks a variable up. Built once, at start; a reload sees the same variables.
pub struct Env(Box<Lookup>);

impl Env {
    /// The real environment.
    pub fn process() -> Self {
        Self(Box::new(|name| std::env::var(name).ok()))
    }

    pub fn of(pairs: &[(&str, &str)]) -> Self {
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self(Box::new(move |name| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())))
    }

    /// A variable set to nothing counts as unset (OpenTelemetry, environment variables: "empty value").
    pub fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }
}
