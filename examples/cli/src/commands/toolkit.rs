//! `dzconn toolkit`: templates of `CloudFormation`, and what goes into them. Nothing is called; no account is touched.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use dzconn_aws::toolkit::{Parameter, Product, Rendered, Request};
use dzconn_core::{Changed, Error, ErrorKind, Step};
use serde_json::{Value, json};

use crate::args::{RenderArgs, ToolkitCommand};
use crate::exit::Exit;
use crate::failure::{Failure, Result};
use crate::output::Output;

pub(crate) fn toolkit(what: ToolkitCommand, output: Output) -> Result {
    match what {
        ToolkitCommand::List => {
            list(output);
            Ok(Exit::Done)
        }
        ToolkitCommand::Show { product, template } => {
            show(&product, template, output).map_err(|error| Failure::looking("nothing is shown", error))
        }
        ToolkitCommand::Render(args) => {
            render(&args, output).map_err(|error| Failure::new("nothing was rendered", error))
        }
        ToolkitCommand::Templates { out } => {
            templates(&out, output).map_err(|error| Failure::new("the templates were not written", error))
        }
    }
}

fn list(output: Output) {
    output.show(
        || {
            let product = |product: Product| json!({"product": product.name(), "about": product.about(), "stack": product.stack()});
            json!({"products": Product::ALL.map(product)})
        },
        |paint| {
            let row = |product: Product| {
                vec![product.name().into(), product.stack().unwrap_or("yours to name").into(), product.about().into()]
            };
            paint.table(&["PRODUCT", "STACK", "WHAT IT IS"], Product::ALL.map(row).into(), None)
        },
    );
}

fn show(name: &str, template: bool, output: Output) -> dzconn_core::Result<Exit> {
    let product: Product = name.parse()?;
    let parameter = |parameter: &Parameter| {
        json!({
            "name": parameter.name,
            "about": parameter.about,
            "default": parameter.default,
            "rule": parameter.rule(),
        })
    };
    output.show(
        || {
            json!({
                "product": product.name(),
                "about": product.about(),
                "stack": product.stack(),
                "capabilities": product.capabilities(),
                "parameters": product.parameters().iter().map(parameter).collect::<Vec<_>>(),
                "template": template.then(|| product.template()),
            })
        },
        |paint| {
            if template {
                return product.template().to_owned();
            }
            let mut text = format!("{}: {}\n", paint.strong(product.name()), product.about());
            for Parameter { name, about, default, .. } in product.parameters() {
                let usually = match default {
                    None => String::new(),
                    Some("") => "; may be left out".to_owned(),
                    Some(default) => format!("; {default} unless said"),
                };
                text.push_str(&format!("\n{}{usually}\n    {about}\n", paint.strong(name)));
            }
            text
        },
    );
    Ok(Exit::Done)
}

fn render(args: &RenderArgs, output: Output) -> dzconn_core::Result<Exit> {
    let mut request = Request::new(args.product.parse()?);
    if let Some(stack) = &args.stack {
        request = request.stack(stack);
    }
    if let Some(file) = &args.values {
        for (name, value) in values(file)? {
            request = request.set(name, value);
        }
    }
    for text in &args.set {
        let (name, value) = text.split_once('=').ok_or_else(|| wrong("--set takes NAME=VALUE".to_owned()))?;
        request = request.set(name, value);
    }
    // All is right before anything is written.
    let rendered = request.render()?;
    let template = args.out.join(rendered.template_file());
    let parameters = args.out.join(rendered.parameters_file());
    write(&args.out, &template, rendered.template())?;
    write(&args.out, &parameters, &rendered.parameters_json())?;
    let (template, parameters) = (template.to_string_lossy(), parameters.to_string_lossy());
    tell(&rendered, &template, &parameters, output);
    Ok(Exit::Done)
}

fn tell(rendered: &Rendered, template: &str, parameters: &str, output: Output) {
    output.show(
        || {
            json!({
                "product": rendered.product().name(),
                "stack": rendered.stack(),
                "template": template,
                "parameters": parameters,
                "command": rendered.command(template, parameters),
            })
        },
        |paint| {
            let line = rendered.shell_line(template, parameters);
            format!("wrote {template}\nwrote {parameters}\n{}\n{line}\n", paint.dim("it is deployed by"))
        },
    );
}

fn templates(out: &Path, output: Output) -> dzconn_core::Result<Exit> {
    let mut written = Vec::new();
    for product in Product::ALL {
        let file = out.join(product.template_file());
        write(out, &file, product.template())?;
        written.push(file.to_string_lossy().into_owned());
    }
    output.show(|| json!({"templates": written}), |_| written.iter().map(|file| format!("wrote {file}\n")).collect());
    Ok(Exit::Done)
}

/// Writes a file of ours; one of that name is replaced.
fn write(folder: &Path, file: &Path, text: &str) -> dzconn_core::Result<()> {
    fs::create_dir_all(folder).and_then(|()| fs::write(file, text)).map_err(|error| {
        wrong(format!("{} cannot be written", file.display())).because(error).changed(Changed::Unfinished)
    })
}

/// A JSON object of names and values, or `CloudFormation`'s own list of parameters, as `render` writes it.
fn values(file: &Path) -> dzconn_core::Result<BTreeMap<String, String>> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|error| wrong(format!("{name} cannot be read")).because(error))?;
    let no_values = || {
        wrong(format!("{name} holds neither names and values, nor a list of ParameterKey and ParameterValue"))
            .advise("write a JSON object such as {\"ConnectionName\": \"sales\"}")
    };
    // The parser's own error may quote the text.
    let json: Value = serde_json::from_str(&text).map_err(|_| wrong(format!("{name} is no JSON")))?;
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    let pairs: Option<BTreeMap<_, _>> = match &json {
        Value::Object(members) => members.iter().map(|(name, value)| Some((name.clone(), text(value)?))).collect(),
        Value::Array(items) => items
            .iter()
            .map(|item| Some((item.get("ParameterKey").and_then(text)?, item.get("ParameterValue").and_then(text)?)))
            .collect(),
        _ => None,
    };
    pairs.ok_or_else(no_values)
}

fn wrong(what: String) -> Error {
    Error::new(ErrorKind::InvalidInput, what).at(Step::Input).changed(Changed::Nothing)
}
