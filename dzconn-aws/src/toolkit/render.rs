//! From what somebody asks for to what is deployed.

use std::collections::BTreeMap;
use std::fmt;

use dzconn_core::Result;
use dzconn_core::model::{JdbcUrl, Tls};
use serde_json::json;

use super::{Product, mistake};

/// A product, and what somebody says about it.
#[derive(Clone)]
pub struct Request {
    product: Product,
    stack: Option<String>,
    values: BTreeMap<String, String>,
}

/// Without the values: nobody has checked them yet, and one may hold a password that does not belong there.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { product, stack, values } = self;
        let names: Vec<_> = values.keys().collect();
        f.debug_struct("Request").field("product", product).field("stack", stack).field("set", &names).finish()
    }
}

impl Request {
    /// With nothing said yet.
    pub fn new(product: Product) -> Self {
        Self { product, stack: product.stack().map(str::to_owned), values: BTreeMap::new() }
    }

    /// Names the stack.
    #[must_use]
    pub fn stack(mut self, name: impl Into<String>) -> Self {
        self.stack = Some(name.into());
        self
    }

    /// Says what a parameter is; what was said last counts.
    #[must_use]
    pub fn set(mut self, parameter: impl Into<String>, value: impl Into<String>) -> Self {
        self.values.insert(parameter.into(), value.into());
        self
    }

    /// Checks all that was said. The same request gives the same text, always.
    ///
    /// # Errors
    /// `InvalidInput`, with every mistake: parameters that are missing, unknown, or not what they must be; and what contradicts
    /// something else. No value is quoted: one may hold a password that does not belong there.
    pub fn render(&self) -> Result<Rendered> {
        let mut mistakes = Vec::new();
        let mut parameters = Vec::new();
        for parameter in self.product.parameters() {
            let name = parameter.name;
            match (self.values.get(name).map(String::as_str), parameter.default) {
                (Some(value), _) if !parameter.takes(value) => {
                    mistakes.push(format!("{name} is not {}", parameter.rule()));
                }
                (Some(value), _) => parameters.push((name, value.to_owned())),
                (None, Some(default)) => parameters.push((name, default.to_owned())),
                (None, None) => mistakes.push(format!("{name} is missing: {}", parameter.rule())),
            }
        }
        for name in self.values.keys() {
            if !self.product.parameters().iter().any(|parameter| parameter.name == name) {
                mistakes.push(format!("{name:?} is no parameter of {}", self.product));
            }
        }
        mistakes.extend(contradictions(&parameters));
        let stack = self.stack.clone().unwrap_or_default();
        if stack.is_empty() {
            mistakes.push("the stack has no name".to_owned());
        } else if !is_stack(&stack) {
            mistakes.push("the stack's name is not a letter and up to 127 letters, digits and hyphens".to_owned());
        }
        if mistakes.is_empty() {
            return Ok(Rendered { product: self.product, stack, parameters });
        }
        let what = if let [one] = mistakes.as_slice() {
            one.clone()
        } else {
            format!("{} things are wrong:\n{}", mistakes.len(), mistakes.join("\n"))
        };
        Err(mistake(what).advise(format!("`dzconn toolkit show {}` says what it takes", self.product)))
    }
}

/// What each value may be alone, and not together.
fn contradictions(parameters: &[(&str, String)]) -> Vec<String> {
    let of = |name: &str| parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
    let mut mistakes = Vec::new();
    if let (Some(subnet), Some(zone), Some(groups)) = (of("SubnetId"), of("AvailabilityZone"), of("SecurityGroupIds")) {
        let empty = [subnet, zone, groups].iter().filter(|text| text.is_empty()).count();
        if !matches!(empty, 0 | 3) {
            mistakes.push("SubnetId, AvailabilityZone and SecurityGroupIds belong together: all, or none".to_owned());
        }
    }
    if let (Some("true"), Some(Ok(url))) = (of("EnforceTls"), of("JdbcUrl").map(str::parse::<JdbcUrl>))
        && matches!(url.tls(), Ok(Some(Tls::Disable)))
    {
        mistakes.push("EnforceTls is true, and JdbcUrl asks for plain text".to_owned());
    }
    mistakes
}

/// "It must start with an alphabetical character and can't be longer than 128 characters" (`StackName` of `CreateStack`).
fn is_stack(name: &str) -> bool {
    name.len() <= 128
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// What is deployed: a template, and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    product: Product,
    stack: String,
    parameters: Vec<(&'static str, String)>,
}

impl Rendered {
    /// Of what.
    pub fn product(&self) -> Product {
        self.product
    }

    /// The stack's name.
    pub fn stack(&self) -> &str {
        &self.stack
    }

    /// The template, as it is: nothing was put into it.
    pub fn template(&self) -> &'static str {
        self.product.template()
    }

    /// Every parameter, in the template's order, those that nobody set included.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.parameters.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The parameters in `CloudFormation`'s own format, as `aws cloudformation deploy` and `create-stack` read it.
    pub fn parameters_json(&self) -> String {
        let all: Vec<_> = self.parameters().map(|(n, v)| json!({"ParameterKey": n, "ParameterValue": v})).collect();
        format!("{:#}\n", json!(all))
    }

    /// The stack's tags, which `CloudFormation` passes on to every resource that takes tags.
    pub fn tags(&self) -> Vec<(&'static str, &str)> {
        let keys = [
            ("DataZoneDomainId", "AmazonDataZoneDomain"),
            ("DataZoneProjectId", "AmazonDataZoneProject"),
            ("DataZoneEnvironmentId", "AmazonDataZoneEnvironment"),
        ];
        let tag = |(name, value)| keys.iter().find(|(key, _)| *key == name).map(|(_, tag)| (*tag, value));
        self.parameters().filter_map(tag).collect()
    }

    /// The usual name of the template's file.
    pub fn template_file(&self) -> String {
        self.product.template_file()
    }

    /// The usual name of the parameters' file.
    pub fn parameters_file(&self) -> String {
        format!("{}.parameters.json", self.stack)
    }

    /// The command that deploys it, word by word, for these files. Run again, it updates the stack, or does nothing.
    pub fn command(&self, template_file: &str, parameters_file: &str) -> Vec<String> {
        let mut words: Vec<_> =
            ["aws", "cloudformation", "deploy", "--no-fail-on-empty-changeset"].map(str::to_owned).into();
        words.extend(["--stack-name".to_owned(), self.stack.clone()]);
        words.extend(["--template-file".to_owned(), template_file.to_owned()]);
        words.extend(["--parameter-overrides".to_owned(), format!("file://{parameters_file}")]);
        let capabilities = self.product.capabilities();
        if !capabilities.is_empty() {
            words.push("--capabilities".to_owned());
            words.extend(capabilities.iter().map(|&capability| capability.to_owned()));
        }
        let tags = self.tags();
        if !tags.is_empty() {
            words.push("--tags".to_owned());
            words.extend(tags.into_iter().map(|(key, value)| format!("{key}={value}")));
        }
        words
    }

    /// The same as a line for a shell: what has a meaning there is quoted.
    pub fn shell_line(&self, template_file: &str, parameters_file: &str) -> String {
        let words = self.command(template_file, parameters_file);
        words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:=@+,".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
