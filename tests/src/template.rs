//! A template of `CloudFormation` with its parameters put in: what would be made of it.
//!
//! Of the functions, those that the toolkit uses are known, as the Template Reference Guide has them; any other one is an error.

#![allow(clippy::indexing_slicing, reason = "of JSON values only: what is not there is null")]

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_glue::types::{ConnectionInput, ConnectionPropertyKey, ConnectionType};
use dzconn_aws::toolkit::{Product, Rendered};
use dzconn_core::Result;
use dzconn_core::model::Owner;
use serde_json::{Map, Value};

use crate::engine::trouble;

/// A resource that would be made.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Such as `AWS::Glue::Connection`.
    pub kind: String,
    /// Its properties, with nothing left to look up.
    pub properties: Value,
}

/// A template as it stands.
pub fn read(product: Product) -> Result<Value> {
    serde_saphyr::from_str(product.template()).map_err(|error| trouble(format!("{product}: {error}")))
}

/// What would be made in that account and region, by logical name.
pub fn deploy(rendered: &Rendered, place: &Owner) -> Result<BTreeMap<String, Resource>> {
    let template = read(rendered.product())?;
    let parameters = rendered.parameters().map(|(name, value)| (name, value.to_owned())).collect();
    let stack = Stack { template: &template, parameters, place };
    let mut made = BTreeMap::new();
    for (name, resource) in members(&template["Resources"])? {
        let wanted = resource.get("Condition").and_then(Value::as_str);
        if wanted.map_or(Ok(true), |condition| stack.holds(condition))? {
            let properties = stack.value(&resource["Properties"])?.unwrap_or_default();
            let kind = resource["Type"].as_str().unwrap_or_default().to_owned();
            made.insert(name.clone(), Resource { kind, properties });
        }
    }
    Ok(made)
}

/// Makes the Glue connections among them by calls of Glue, as `CloudFormation` does it: moto's knows none.
pub async fn make_connections(sdk: &SdkConfig, made: &BTreeMap<String, Resource>) -> Result<()> {
    let client = aws_sdk_glue::Client::new(sdk);
    for connection in made.values().filter(|resource| resource.kind == "AWS::Glue::Connection") {
        let input = &connection.properties["ConnectionInput"];
        let mut made = ConnectionInput::builder()
            .name(text(&input["Name"])?)
            .connection_type(ConnectionType::from(text(&input["ConnectionType"])?));
        for (name, value) in members(&input["ConnectionProperties"])? {
            made = made.connection_properties(ConnectionPropertyKey::from(name.as_str()), text(value)?);
        }
        let made = made.build().map_err(|error| trouble(error.to_string()))?;
        let mut call = client.create_connection().connection_input(made);
        for (key, value) in members(&connection.properties["Tags"])? {
            call = call.tags(key, text(value)?);
        }
        call.send().await.map_err(|error| trouble(format!("the connection was not made: {error:?}")))?;
    }
    Ok(())
}

struct Stack<'a> {
    template: &'a Value,
    parameters: BTreeMap<&'static str, String>,
    place: &'a Owner,
}

fn members(value: &Value) -> Result<&Map<String, Value>> {
    value.as_object().ok_or_else(|| trouble(format!("{value} is no map")))
}

fn list(value: &Value) -> Result<&[Value]> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| trouble(format!("{value} is no list")))
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().ok_or_else(|| trouble(format!("{value} is no text")))
}

impl Stack<'_> {
    /// `None` for `AWS::NoValue`: what it stands in goes with it.
    fn value(&self, value: &Value) -> Result<Option<Value>> {
        match value {
            Value::Object(map) => match (map.len(), map.iter().next()) {
                (1, Some((name, argument))) if name == "Ref" || name.starts_with("Fn::") => self.call(name, argument),
                _ => {
                    let mut made = Map::new();
                    for (name, member) in map {
                        if let Some(member) = self.value(member)? {
                            made.insert(name.clone(), member);
                        }
                    }
                    Ok(Some(Value::Object(made)))
                }
            },
            Value::Array(items) => {
                let mut made = Vec::new();
                for item in items {
                    made.extend(self.value(item)?);
                }
                Ok(Some(Value::Array(made)))
            }
            plain => Ok(Some(plain.clone())),
        }
    }

    fn call(&self, function: &str, argument: &Value) -> Result<Option<Value>> {
        let made = match function {
            "Ref" => return self.reference(text(argument)?),
            "Fn::If" => {
                let [condition, yes, no] = list(argument)? else { return Err(trouble(format!("Fn::If: {argument}"))) };
                return self.value(if self.holds(text(condition)?)? { yes } else { no });
            }
            "Fn::Sub" => Value::String(self.substituted(text(argument)?)?),
            "Fn::Join" => {
                let [separator, items] = list(argument)? else { return Err(trouble(format!("Fn::Join: {argument}"))) };
                let items = self.value(items)?.unwrap_or_default();
                let items: Result<Vec<_>> = list(&items)?.iter().map(text).collect();
                Value::String(items?.join(text(separator)?))
            }
            "Fn::GetAtt" => {
                let [resource, attribute] = list(argument)? else { return Err(trouble(format!("GetAtt: {argument}"))) };
                Value::String(self.attribute(text(resource)?, text(attribute)?)?)
            }
            other => return Err(trouble(format!("{other} is not known here"))),
        };
        Ok(Some(made))
    }

    fn reference(&self, name: &str) -> Result<Option<Value>> {
        if let Some(value) = self.parameters.get(name) {
            let kind = text(&self.template["Parameters"][name]["Type"])?;
            return Ok(Some(match kind {
                "Number" | "String" => Value::String(value.clone()),
                _ => value.split(',').map(|item| Value::String(item.to_owned())).collect(),
            }));
        }
        Ok(Some(Value::String(match name {
            "AWS::NoValue" => return Ok(None),
            "AWS::AccountId" => self.place.account.to_string(),
            "AWS::Region" => self.place.region.to_string(),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            resource => self.identifier(resource)?,
        })))
    }

    fn properties(&self, resource: &str) -> Result<(String, Value)> {
        let resource = &self.template["Resources"][resource];
        Ok((text(&resource["Type"])?.to_owned(), self.value(&resource["Properties"])?.unwrap_or_default()))
    }

    /// What `Ref` says of a resource: its name, where we give it one ("Return values" of each resource).
    fn identifier(&self, resource: &str) -> Result<String> {
        let (kind, properties) = self.properties(resource)?;
        let name = match kind.as_str() {
            "AWS::Glue::Crawler" | "AWS::Athena::DataCatalog" => &properties["Name"],
            "AWS::LakeFormation::Tag" => &properties["TagKey"],
            "AWS::S3::Bucket" => &properties["BucketName"],
            "AWS::IAM::Role" => &properties["RoleName"],
            "AWS::IAM::ManagedPolicy" => {
                let name = text(&properties["ManagedPolicyName"])?;
                return Ok(format!("arn:aws:iam::{}:policy/{name}", self.place.account));
            }
            "AWS::ServiceCatalog::Portfolio" | "AWS::ServiceCatalog::CloudFormationProduct" => {
                return Ok(format!("id-of-{resource}"));
            }
            other => return Err(trouble(format!("what Ref says of {other} is not known here"))),
        };
        text(name).map(str::to_owned)
    }

    fn attribute(&self, resource: &str, attribute: &str) -> Result<String> {
        let (kind, properties) = self.properties(resource)?;
        match (kind.as_str(), attribute) {
            ("AWS::IAM::Role", "Arn") => {
                Ok(format!("arn:aws:iam::{}:role/{}", self.place.account, text(&properties["RoleName"])?))
            }
            ("AWS::S3::Bucket", "Arn") => Ok(format!("arn:aws:s3:::{}", text(&properties["BucketName"])?)),
            other => Err(trouble(format!("{other:?} is not known here"))),
        }
    }

    /// `${Name}`, `${Name.Attribute}`, and `${!Literal}`. What was put in is not looked at again.
    fn substituted(&self, template: &str) -> Result<String> {
        let (mut made, mut rest) = (String::new(), template);
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').ok_or_else(|| trouble(format!("Fn::Sub: {template}")))?;
            made.push_str(before);
            match (name.strip_prefix('!'), name.split_once('.')) {
                (Some(literal), _) => made.extend(["${", literal, "}"]),
                (None, Some((resource, attribute))) => made.push_str(&self.attribute(resource, attribute)?),
                (None, None) => made.push_str(text(&self.reference(name)?.unwrap_or_default())?),
            }
            rest = after;
        }
        made.push_str(rest);
        Ok(made)
    }

    fn holds(&self, condition: &str) -> Result<bool> {
        self.is_true(&self.template["Conditions"][condition])
    }

    fn is_true(&self, condition: &Value) -> Result<bool> {
        let map = members(condition)?;
        let (Some((function, argument)), 1) = (map.iter().next(), map.len()) else {
            return Err(trouble(format!("{condition} is no condition")));
        };
        match (function.as_str(), argument) {
            ("Condition", name) => self.holds(text(name)?),
            ("Fn::Equals", Value::Array(_)) => {
                let [left, right] = list(argument)? else { return Err(trouble(format!("Fn::Equals: {argument}"))) };
                Ok(self.value(left)? == self.value(right)?)
            }
            ("Fn::Not", Value::Array(inner)) if inner.len() == 1 => Ok(!self.is_true(&inner[0])?),
            ("Fn::And", Value::Array(all)) => all.iter().try_fold(true, |sofar, one| Ok(sofar && self.is_true(one)?)),
            _ => Err(trouble(format!("{condition} is not known here"))),
        }
    }
}
