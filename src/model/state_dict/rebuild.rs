//! What the functions that a pickle of tensors names would have made of their arguments.
//!
//! They are those of <https://github.com/pytorch/pytorch/blob/main/torch/_utils.py>.

use super::value::{Global, Kind, Object, Storage, Value, View};

/// `PyTorch` has no operation for more dimensions.
const MOST_DIMENSIONS: usize = 64;

/// What a call gives.
pub(super) enum Made<'a> {
    /// One of its arguments.
    Again(Value<'a>),
    New(Object<'a>),
}

/// Stands for the call of a function that is known.
pub(super) fn call<'a>(
    function: Value<'a>,
    arguments: Value<'a>,
    objects: &[Object<'a>],
) -> Result<Made<'a>, String> {
    let arguments = tuple(arguments, objects)?;
    let Value::Global(function) = function else {
        return Err("is damaged: its pickle calls what is no function".into());
    };
    match (function, arguments) {
        (Global::OrderedDict, []) => Ok(Made::New(Object::Dict { ordered: true, entries: Vec::new() })),
        (Global::RebuildTensor, [storage, offset, shape, strides, _, _]) => {
            view([*storage, *offset, *shape, *strides], None, None, objects)
        }
        (Global::RebuildTensor, [storage, offset, shape, strides, _, _, marks]) => {
            view([*storage, *offset, *shape, *strides], None, Some(*marks), objects)
        }
        (
            Global::RebuildTyped,
            [storage, offset, shape, strides, _, _, Value::Global(Global::Type(kind))],
        ) => view([*storage, *offset, *shape, *strides], Some(*kind), None, objects),
        (
            Global::RebuildTyped,
            [storage, offset, shape, strides, _, _, Value::Global(Global::Type(kind)), marks],
        ) => view([*storage, *offset, *shape, *strides], Some(*kind), Some(*marks), objects),
        (Global::RebuildParameter, [Value::Object(place), _, _])
            if matches!(objects[*place], Object::Tensor(_)) =>
        {
            Ok(Made::Again(Value::Object(*place)))
        }
        _ => Err("is damaged: its pickle calls a function with other arguments than PyTorch does".into()),
    }
}

/// What `torch.save` writes in the place of numbers: ("storage", type, file, device, count). The device is not
/// heeded.
pub(super) fn storage<'a>(arguments: Value<'a>, objects: &[Object<'a>]) -> Result<Storage<'a>, String> {
    let damaged = || "is damaged: its pickle refers to what is no storage".to_owned();
    match tuple(arguments, objects)? {
        [Value::Text("storage"), Value::Global(Global::Storage(kind)), Value::Text(key), _, count] => {
            Ok(Storage { key, kind: *kind, count: whole(*count).ok_or_else(damaged)? })
        }
        _ => Err(damaged()),
    }
}

/// Sets attributes of an object: a module's dictionary has `_metadata`, of which nothing is needed here.
pub(super) fn build<'a>(object: Value<'a>, state: Value<'a>, objects: &[Object<'a>]) -> Result<(), String> {
    let is_metadata = |(key, _): &(Value<'a>, Value<'a>)| *key == Value::Text("_metadata");
    match (get(object, objects), get(state, objects)) {
        (Some(Object::Dict { ordered: true, .. }), Some(Object::Dict { entries, .. }))
            if entries.iter().all(is_metadata) =>
        {
            Ok(())
        }
        _ => Err("sets attributes that no state dict has: save `model.state_dict()` and nothing else".into()),
    }
}

fn view<'a>(
    [storage, offset, shape, strides]: [Value<'a>; 4],
    kind: Option<Kind<'a>>,
    marks: Option<Value<'a>>,
    objects: &[Object<'a>],
) -> Result<Made<'a>, String> {
    let damaged = || "is damaged: its pickle describes a tensor that cannot be".to_owned();
    let Some(Object::Storage(storage)) = get(storage, objects) else { return Err(damaged()) };
    let storage = Storage { kind: kind.unwrap_or(storage.kind), ..*storage };
    let numbers = |value| -> Result<Vec<usize>, String> {
        let values = tuple(value, objects)?;
        if values.len() > MOST_DIMENSIONS {
            return Err(damaged());
        }
        values.iter().map(|value| whole(*value)).collect::<Option<_>>().ok_or_else(damaged)
    };
    let (shape, strides) = (numbers(shape)?, numbers(strides)?);
    let offset = whole(offset).ok_or_else(damaged)?;
    let altered = match marks.map(|marks| get(marks, objects)) {
        Some(Some(Object::Dict { entries, .. })) => !entries.is_empty(),
        // Without marks, or with `None` in their place.
        None | Some(None) => false,
        Some(Some(_)) => return Err(damaged()),
    };
    if shape.len() != strides.len() {
        return Err(damaged());
    }
    Ok(Made::New(Object::Tensor(Box::new(View { storage, offset, shape, strides, altered }))))
}

fn get<'o, 'a>(value: Value<'a>, objects: &'o [Object<'a>]) -> Option<&'o Object<'a>> {
    match value {
        Value::Object(place) => objects.get(place),
        _ => None,
    }
}

fn tuple<'o, 'a>(value: Value<'a>, objects: &'o [Object<'a>]) -> Result<&'o [Value<'a>], String> {
    match get(value, objects) {
        Some(Object::Tuple(values)) => Ok(values),
        _ => Err("is damaged: its pickle has something else where a tuple belongs".into()),
    }
}

fn whole(value: Value<'_>) -> Option<usize> {
    match value {
        Value::Whole(number) => usize::try_from(number).ok(),
        _ => None,
    }
}
