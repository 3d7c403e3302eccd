//! Argo CD's interpreter: Lua 5.1 with the base, `package` and `table` libraries and an `os` that tells the time, and
//! its way of making a patch of what an action returns.

use std::{fs, path::Path};

use mlua::{Lua, LuaOptions, StdLib, Table, Value as Script};
use serde_json::{Map, Value, json};

/// Part of the customisation of a kind, as a user pastes it.
pub(super) struct Customization {
    health: String,
    discovery: String,
    definitions: Vec<(String, String)>,
}

impl Customization {
    /// From the file that is shipped.
    pub(super) fn of(kind: &str) -> Self {
        let file = Path::new(crate::ROOT).join("gitops/argocd/argocd-cm.yaml");
        let text = fs::read_to_string(file).expect("the ConfigMap is in the repository");
        let map: Value = serde_yaml::from_str(&text).expect("the ConfigMap is YAML");
        let text = |what: &str| {
            let key = format!("resource.customizations.{what}.emnify.io_{kind}");
            map["data"][&key].as_str().unwrap_or_else(|| panic!("{key} is in the ConfigMap")).to_owned()
        };
        let actions: Value = serde_yaml::from_str(&text("actions")).expect("actions are YAML");
        let definitions = actions["definitions"].as_array().expect("actions have definitions").iter();
        let string = |value: &Value| value.as_str().expect("a script is text").to_owned();
        Self {
            health: text("health"),
            discovery: string(&actions["discovery.lua"]),
            definitions: definitions.map(|d| (string(&d["name"]), string(&d["action.lua"]))).collect(),
        }
    }

    /// Status and message.
    pub(super) fn health(&self, object: &Value) -> (String, String) {
        let health = run(&self.health, object);
        let text =
            |key: &str| health[key].as_str().unwrap_or_else(|| panic!("{key} is text: {health}")).to_owned();
        (text("status"), text("message"))
    }

    /// Names of the actions that are offered and not greyed out.
    pub(super) fn offered(&self, object: &Value) -> Vec<String> {
        let Value::Object(actions) = run(&self.discovery, object) else {
            panic!("discovery returns a table")
        };
        let defined = |name: &String| self.definitions.iter().any(|(defined, _)| defined == name);
        assert!(actions.keys().all(defined), "every action that is offered is defined");
        actions
            .into_iter()
            .filter(|(_, action)| action["disabled"] != json!(true))
            .map(|(name, _)| name)
            .collect()
    }

    /// The object after an action.
    pub(super) fn act(&self, action: &str, object: &Value) -> Value {
        let (_, script) =
            self.definitions.iter().find(|(name, _)| name == action).expect("the action is defined");
        let mut wanted = run(script, object);
        clean(&mut wanted, object);
        wanted
    }
}

/// What an empty table of Lua turned into is put back, as Argo CD does before it makes a merge patch.
fn clean(new: &mut Value, old: &Value) {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            new.iter_mut()
                .filter_map(|(key, new)| Some((new, old.get(key)?)))
                .for_each(|(new, old)| clean(new, old));
        }
        (Value::Array(new), Value::Array(old)) => {
            new.iter_mut().zip(old).for_each(|(new, old)| clean(new, old));
        }
        (new @ Value::Array(_), Value::Object(_)) if *new == json!([]) => new.clone_from(old),
        _ => {}
    }
}

/// Runs a script that finds the object in the global `obj`.
fn run(script: &str, object: &Value) -> Value {
    let run = || -> mlua::Result<Value> {
        let lua = Lua::new_with(StdLib::TABLE | StdLib::PACKAGE, LuaOptions::default())?;
        let package: Table = lua.globals().get("package")?;
        let loader = lua.create_function(|lua, ()| {
            let os = lua.create_table()?;
            os.set("date", lua.create_function(|_, format: String| Ok(date(&format)))?)?;
            Ok(os)
        })?;
        package.get::<Table>("preload")?.set("os", loader)?;
        lua.globals().set("obj", to_lua(&lua, object)?)?;
        from_lua(lua.load(script).eval()?)
    };
    run().unwrap_or_else(|error| panic!("Argo CD would show this error: {error}\n{script}"))
}

/// Only the form that the scripts use: UTC.
fn date(format: &str) -> String {
    let format =
        format.strip_prefix('!').expect("without ! it would be the local time of Argo CD's container");
    jiff::Timestamp::now().strftime(format).to_string()
}

fn to_lua(lua: &Lua, value: &Value) -> mlua::Result<Script> {
    Ok(match value {
        Value::Null => Script::Nil,
        Value::Bool(value) => Script::Boolean(*value),
        Value::Number(value) => Script::Number(value.as_f64().expect("JSON numbers are numbers")),
        Value::String(value) => Script::String(lua.create_string(value)?),
        Value::Array(items) => {
            let items: mlua::Result<Vec<_>> = items.iter().map(|item| to_lua(lua, item)).collect();
            Script::Table(lua.create_sequence_from(items?)?)
        }
        Value::Object(members) => {
            let table = lua.create_table()?;
            for (key, value) in members {
                table.raw_set(key.as_str(), to_lua(lua, value)?)?;
            }
            Script::Table(table)
        }
    })
}

/// A table without entries is a list: Lua does not tell the two apart.
fn from_lua(value: Script) -> mlua::Result<Value> {
    Ok(match value {
        Script::Boolean(value) => json!(value),
        #[allow(clippy::cast_possible_truncation, reason = "whole numbers of manifests fit")]
        Script::Number(value) if value.fract() == 0.0 => json!(value as i64),
        Script::Number(value) => json!(value),
        Script::Integer(value) => json!(value),
        Script::String(value) => json!(value.to_string_lossy()),
        Script::Table(table) if table.is_empty() || table.raw_len() > 0 => {
            let items: mlua::Result<Vec<Value>> =
                table.sequence_values().map(|item| from_lua(item?)).collect();
            json!(items?)
        }
        Script::Table(table) => {
            let mut members = Map::new();
            for pair in table.pairs::<String, Script>() {
                let (key, value) = pair?;
                members.insert(key, from_lua(value)?);
            }
            json!(members)
        }
        Script::Nil => Value::Null,
        other => panic!("a script returns data, not a {}", other.type_name()),
    })
}
