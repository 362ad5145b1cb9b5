//! Expressions of the Common Expression Language, checked when they are read and asked by the gate.

mod example;

use std::{collections::HashMap, fmt, sync::Arc};

use akeso_core::{act::ActionKind, policy::Condition, similar::closest};
use cel::{
    Context, ExecutionError, Program, Value as Cel,
    common::ast::{EntryExpr, Expr, IdedExpr, MapExpr, StructExpr},
};
use serde_json::Value;

use example::example;

/// The functions of the language that are there.
const FUNCTIONS: [&str; 13] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "bytes",
    "type",
    "dyn",
];
/// The macros of the language: they are gone once an expression is compiled.
const MACROS: [&str; 6] = ["has", "all", "exists", "exists_one", "map", "filter"];
/// The names of types, which are values as well.
const TYPES: [&str; 10] = [
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "type",
    "uint",
];

/// An expression has at most so many characters. The parser calls itself for what is nested, and
/// a file that is edited while the program runs must not end it: so it has a stack that is enough
/// for as many levels as there are characters ...
const LONGEST: usize = 1_000;
const STACK: usize = 64 << 20;
/// ... and what it gives has at most so many levels, for the gate asks on the program's own stack.
const DEEPEST: usize = 64;

/// What a namespace is called in an expression.
const NAMESPACE: &str = "ns";

/// What is wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// In words.
    pub message: String,
    /// What was probably meant.
    pub meant: Option<String>,
}

impl Wrong {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            meant: None,
        }
    }
}

/// A compiled expression.
struct Compiled {
    source: String,
    program: Program,
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Compiled").field(&self.source).finish()
    }
}

impl Condition for Compiled {
    fn holds(&self, facts: &Value) -> Result<bool, String> {
        match evaluate(&self.program, &variables(facts)).map_err(|error| words(&error))? {
            Cel::Bool(holds) => Ok(holds),
            other => Err(format!(
                "`{}` gives {}, not true or false",
                self.source,
                other.type_of()
            )),
        }
    }
}

/// Compiles an expression, and tries it on an example of every action: what is wrong with it is
/// to come to light when it is read, not when it is needed.
pub fn compile(source: &str) -> Result<Arc<dyn Condition>, Wrong> {
    if source.len() > LONGEST {
        return Err(Wrong::new(format!(
            "this is longer than {LONGEST} characters: make several gates of it"
        )));
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let compiled = thread.spawn_scoped(scope, || compile_here(source));
        let compiled = compiled.map_err(|error| Wrong::new(error.to_string()))?;
        let compiled = compiled.join();
        compiled.unwrap_or_else(|_| Err(Wrong::new("no expression of CEL: its parser gives up")))
    })
}

fn compile_here(source: &str) -> Result<Arc<dyn Condition>, Wrong> {
    let program = Program::compile(source).map_err(|errors| {
        let first = errors.errors.into_iter().next();
        let (position, said) = first.map_or((0, String::new()), |error| (error.pos.1, error.msg));
        if said == "reserved identifier: namespace" {
            return Wrong {
                message: "`namespace` is a word that CEL keeps for itself".to_owned(),
                meant: Some(NAMESPACE.to_owned()),
            };
        }
        if said.contains("Recursion limit") {
            return too_deep();
        }
        // what could stand there instead is a long list of tokens
        let said = said
            .split(" expecting ")
            .next()
            .unwrap_or_default()
            .to_owned();
        Wrong::new(format!(
            "no expression of CEL: {said} (character {position} of it)"
        ))
    })?;
    let examples: Vec<_> = ActionKind::ALL
        .iter()
        .map(|kind| variables(&example(*kind)))
        .collect();
    names(program.expression(), &examples, &mut Vec::new(), DEEPEST)?;
    for facts in &examples {
        match evaluate(&program, facts) {
            // no such key: a label that is not there, or what only other actions have
            Ok(Cel::Bool(_)) | Err(ExecutionError::NoSuchKey(_)) => {}
            Ok(other) => {
                let found = other.type_of();
                return Err(Wrong::new(format!(
                    "this gives {found}, and a gate must be true or false"
                )));
            }
            Err(error) => return Err(Wrong::new(words(&error))),
        }
    }
    let source = source.to_owned();
    Ok(Arc::new(Compiled { source, program }))
}

/// The facts by the names that an expression has for them: what the gate calls `namespace` is `ns`,
/// for the word is CEL's own (<https://github.com/google/cel-spec/blob/master/doc/langdef.md>).
fn variables(facts: &Value) -> Value {
    let facts = facts.as_object().into_iter().flatten();
    let named = facts.map(|(fact, value)| {
        let name = if fact == "namespace" { NAMESPACE } else { fact };
        (name.to_owned(), value.clone())
    });
    Value::Object(named.collect())
}

fn evaluate(program: &Program, variables: &Value) -> Result<Cel, ExecutionError> {
    let mut context = Context::default();
    for (name, value) in variables.as_object().into_iter().flatten() {
        context.add_variable_from_value(name.as_str(), to_cel(value));
    }
    program.execute(&context)
}

/// JSON's whole numbers become signed ones, as those that are written in an expression are.
fn to_cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Cel::Int(whole),
            (None, Some(large)) => Cel::UInt(large),
            (None, None) => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => items.iter().map(to_cel).collect::<Vec<_>>().into(),
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(key, value)| (key.clone(), to_cel(value)));
            members.collect::<HashMap<_, _>>().into()
        }
    }
}

fn words(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => {
            format!("there is no `{key}`; ask for it before with has(...) or `in`")
        }
        ExecutionError::NoSuchOverload(overload) => {
            let operator = overload.function().replace('_', "");
            let types = overload.argument_types().join(" and ");
            format!("`{operator}` does not work on {types}")
        }
        ExecutionError::FunctionError { function, message } => {
            let first = message.lines().next().unwrap_or_default();
            format!("{function}: {}", first.trim_end_matches(':'))
        }
        other => other.to_string(),
    }
}

/// Looks for names that nothing has: a variable, a function, or what a variable holds. `bound` are
/// the variables of macros, `levels` how deep it may go.
fn names<'a>(
    expression: &'a IdedExpr,
    examples: &[Value],
    bound: &mut Vec<&'a str>,
    levels: usize,
) -> Result<(), Wrong> {
    let Some(deeper) = levels.checked_sub(1) else {
        return Err(too_deep());
    };
    let mut all = |parts: &[&'a IdedExpr]| {
        parts
            .iter()
            .try_for_each(|part| names(part, examples, bound, deeper))
    };
    match &expression.expr {
        Expr::Unspecified | Expr::Literal(_) => Ok(()),
        Expr::Ident(name) => variable(name, examples, bound),
        Expr::Select(select) => {
            all(&[&select.operand])?;
            match &select.operand.expr {
                Expr::Ident(name) if !bound.contains(&name.as_str()) => {
                    member(name, &select.field, examples)
                }
                _ => Ok(()),
            }
        }
        Expr::Call(call) => {
            function(&call.func_name)?;
            let parts: Vec<_> = call
                .target
                .iter()
                .map(|it| &**it)
                .chain(&call.args)
                .collect();
            all(&parts)
        }
        Expr::List(list) => all(&list.elements.iter().collect::<Vec<_>>()),
        Expr::Map(MapExpr { entries }) | Expr::Struct(StructExpr { entries, .. }) => {
            entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => all(&[&entry.key, &entry.value]),
                EntryExpr::StructField(field) => all(&[&field.value]),
            })
        }
        Expr::Comprehension(it) => {
            all(&[&it.iter_range, &it.accu_init])?;
            let before = bound.len();
            bound.extend([it.iter_var.as_str(), it.accu_var.as_str()]);
            bound.extend(it.iter_var2.as_deref());
            let inner = [&it.loop_cond, &it.loop_step, &it.result];
            let result = inner
                .into_iter()
                .try_for_each(|part| names(part, examples, bound, deeper));
            bound.truncate(before);
            result
        }
    }
}

fn too_deep() -> Wrong {
    Wrong::new("this is nested too deeply: make several gates of it")
}

fn variable(name: &str, examples: &[Value], bound: &[&str]) -> Result<(), Wrong> {
    let known: Vec<_> = examples
        .iter()
        .take(1)
        .filter_map(Value::as_object)
        .flat_map(|facts| facts.keys().cloned())
        .collect();
    let is_known = bound.contains(&name)
        || name.starts_with('@')
        || TYPES.contains(&name)
        || known.iter().any(|it| it == name);
    if is_known {
        return Ok(());
    }
    Err(Wrong {
        message: format!("there is no `{name}`; there are {}", known.join(", ")),
        meant: closest(name, known),
    })
}

/// What a variable holds is known, except what stands in labels, annotations and text.
fn member(variable: &str, field: &str, examples: &[Value]) -> Result<(), Wrong> {
    let holders: Vec<_> = examples
        .iter()
        .filter_map(|facts| facts.get(variable)?.as_object())
        .collect();
    if holders.is_empty() || holders.iter().any(|holder| holder.contains_key(field)) {
        return Ok(());
    }
    let mut known: Vec<_> = holders.iter().flat_map(|it| it.keys().cloned()).collect();
    known.sort_unstable();
    known.dedup();
    Err(Wrong {
        message: format!("{variable} has no `{field}`; it has {}", known.join(", ")),
        meant: closest(field, known),
    })
}

fn function(name: &str) -> Result<(), Wrong> {
    // operators are functions with names that nobody can write
    let is_operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
    if is_operator || FUNCTIONS.contains(&name) {
        return Ok(());
    }
    let known = FUNCTIONS.into_iter().chain(MACROS).map(str::to_owned);
    Err(Wrong {
        message: format!("there is no function `{name}` that works like this"),
        meant: closest(name, known).filter(|meant| meant != name),
    })
}

#[cfg(test)]
mod tests;
