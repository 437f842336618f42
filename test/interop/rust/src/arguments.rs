//! Options as `--name value`, flags as `--name`; anything unknown is an error rather than ignored.

use std::collections::HashMap;
use std::str::FromStr;

/// The options of one call.
pub struct Arguments {
    values: HashMap<String, String>,
}

impl Arguments {
    /// Reads `words`; `options` take a value, `flags` take none.
    pub fn parse(words: &[String], options: &[&str], flags: &[&str]) -> Result<Self, String> {
        let mut values = HashMap::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| format!("unexpected argument {word}"))?;
            let value = if flags.contains(&name) {
                String::new()
            } else if options.contains(&name) {
                words.next().ok_or_else(|| format!("--{name} needs a value"))?.clone()
            } else {
                return Err(format!("unknown option --{name}"));
            };
            if values.insert(name.to_owned(), value).is_some() {
                return Err(format!("--{name} is given twice"));
            }
        }
        Ok(Self { values })
    }

    /// Whether a flag is set.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The text of an option, if given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The text of an option that must be given.
    pub fn required(&self, name: &str) -> Result<&str, String> {
        self.text(name).ok_or_else(|| format!("--{name} is required"))
    }

    /// A number, or `None` when the option is not given.
    pub fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        self.text(name)
            .map(|text| text.parse().map_err(|_| format!("--{name} is not a usable number: {text}")))
            .transpose()
    }
}
