//! A machine for the instructions that `torch.save` writes: pickle protocol 2 as Python's pickler uses it.
//!
//! The instructions are those of <https://docs.python.org/3/library/pickletools.html>. Nothing is imported
//! and nothing is called; a pickle that asks for more than tensors need is refused by the name of what it
//! asks for.

use super::rebuild::{self, Made};
use super::shown;
use super::value::{Global, Kind, Object, Value};

/// Instructions that are carried out; each makes one value at most. A tensor takes about forty.
const MOST_STEPS: usize = 1 << 22;
const PROTOCOL: u8 = 2;
const NEW_OBJECT: u8 = 0x81;

/// The value of a pickle, and the objects that it is made of.
pub(super) fn run(bytes: &[u8]) -> Result<(Value<'_>, Vec<Object<'_>>), String> {
    let mut machine = Machine { rest: bytes, ..Machine::default() };
    if machine.take()? != [0x80] {
        return Err("holds a pickle of protocol 0 or 1: save it without `pickle_protocol`".into());
    }
    let [version] = machine.take()?;
    if version != PROTOCOL {
        return Err(format!("holds a pickle of protocol {version}: save it without `pickle_protocol`"));
    }
    for _ in 0..MOST_STEPS {
        let place = bytes.len() - machine.rest.len();
        let [code] = machine.take()?;
        let damage = |reason| format!("{reason} (byte {place} of its pickle)");
        if code == b'.' {
            return machine.finish().map_err(damage);
        }
        match machine.constant(code)? {
            Some(value) => machine.stack.push(value),
            None => machine.change(code).map_err(damage)?,
        }
    }
    Err(format!("holds a pickle of more than {MOST_STEPS} instructions: save `model.state_dict()` alone"))
}

#[derive(Default)]
struct Machine<'a> {
    rest: &'a [u8],
    stack: Vec<Value<'a>>,
    /// How high the stack was at every mark that is still open.
    marks: Vec<usize>,
    memo: Vec<Value<'a>>,
    objects: Vec<Object<'a>>,
}

impl<'a> Machine<'a> {
    /// The value that an instruction pushes and that takes nothing from the stack.
    fn constant(&mut self, code: u8) -> Result<Option<Value<'a>>, String> {
        Ok(Some(match code {
            b')' => self.add(Object::Tuple(Vec::new())),
            b']' => self.add(Object::List),
            b'}' => self.add(Object::Dict { ordered: false, entries: Vec::new() }),
            b'N' | 0x88 | 0x89 => Value::Other,
            b'G' => {
                self.take::<8>()?;
                Value::Other
            }
            b'K' => Value::Whole(i64::from(u8::from_le_bytes(self.take()?))),
            b'M' => Value::Whole(i64::from(u16::from_le_bytes(self.take()?))),
            b'J' => Value::Whole(i64::from(i32::from_le_bytes(self.take()?))),
            0x8a => self.long()?,
            b'X' => {
                let length = u32::from_le_bytes(self.take()?);
                let text = self.bytes(length as usize)?;
                Value::Text(std::str::from_utf8(text).map_err(|_| "holds a text that is not UTF-8")?)
            }
            b'c' => Value::Global(self.global()?),
            b'h' | b'j' => {
                let place = self.memo_place(code == b'h')?;
                *self.memo.get(place).ok_or("is damaged: its pickle refers to what it does not have")?
            }
            _ => return Ok(None),
        }))
    }

    /// Carries out an instruction that changes what is on the stack.
    fn change(&mut self, code: u8) -> Result<(), String> {
        match code {
            b'(' => self.marks.push(self.stack.len()),
            b'q' | b'r' => self.remember(code == b'q')?,
            b't' => {
                let values = self.since_mark()?;
                self.push(Object::Tuple(values));
            }
            0x85..=0x87 => {
                let count = usize::from(code - 0x84);
                let start = self.stack.len().checked_sub(count).filter(|start| *start >= self.floor());
                let values = self.stack.split_off(start.ok_or(EMPTY)?);
                self.push(Object::Tuple(values));
            }
            b'a' => {
                self.pop()?;
                self.list()?;
            }
            b'e' => {
                self.since_mark()?;
                self.list()?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.entries()?.push((key, value));
            }
            b'u' => self.set_items()?,
            b'R' => {
                let arguments = self.pop()?;
                let function = self.pop()?;
                match rebuild::call(function, arguments, &self.objects)? {
                    Made::Again(value) => self.stack.push(value),
                    Made::New(object) => self.push(object),
                }
            }
            b'Q' => {
                let arguments = self.pop()?;
                let storage = rebuild::storage(arguments, &self.objects)?;
                self.push(Object::Storage(storage));
            }
            b'b' => {
                let state = self.pop()?;
                rebuild::build(self.top()?, state, &self.objects)?;
            }
            other => {
                return Err(format!("is damaged or not of torch.save: {other:#04x} is no instruction of it"));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Value<'a>, Vec<Object<'a>>), String> {
        let value = self.pop()?;
        if self.stack.is_empty() && self.marks.is_empty() && self.rest.is_empty() {
            return Ok((value, self.objects));
        }
        Err("is damaged: its pickle ends early".into())
    }

    fn add(&mut self, object: Object<'a>) -> Value<'a> {
        self.objects.push(object);
        Value::Object(self.objects.len() - 1)
    }

    fn push(&mut self, object: Object<'a>) {
        let value = self.add(object);
        self.stack.push(value);
    }

    /// Below it the stack belongs to those before the last mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or_default()
    }

    fn top(&self) -> Result<Value<'a>, String> {
        self.stack.get(self.floor()..).and_then(<[_]>::last).copied().ok_or_else(|| EMPTY.into())
    }

    fn pop(&mut self) -> Result<Value<'a>, String> {
        let value = self.top()?;
        self.stack.pop();
        Ok(value)
    }

    fn since_mark(&mut self) -> Result<Vec<Value<'a>>, String> {
        let start = self.marks.pop().ok_or(EMPTY)?;
        Ok(self.stack.split_off(start))
    }

    fn list(&self) -> Result<(), String> {
        match self.top()? {
            Value::Object(place) if matches!(self.objects[place], Object::List) => Ok(()),
            _ => Err("is damaged: its pickle appends to what is no list".into()),
        }
    }

    /// Of the dictionary on top of the stack.
    fn entries(&mut self) -> Result<&mut Vec<(Value<'a>, Value<'a>)>, String> {
        if let Value::Object(place) = self.top()?
            && let Object::Dict { entries, .. } = &mut self.objects[place]
        {
            return Ok(entries);
        }
        Err("is damaged: its pickle sets items of what is no dictionary".into())
    }

    fn set_items(&mut self) -> Result<(), String> {
        let values = self.since_mark()?;
        let (pairs, rest) = values.as_chunks::<2>();
        if !rest.is_empty() {
            return Err("is damaged: its pickle has a key without a value".into());
        }
        self.entries()?.extend(pairs.iter().map(|[key, value]| (*key, *value)));
        Ok(())
    }

    fn memo_place(&mut self, short: bool) -> Result<usize, String> {
        if short {
            return Ok(usize::from(u8::from_le_bytes(self.take()?)));
        }
        Ok(u32::from_le_bytes(self.take()?) as usize)
    }

    fn remember(&mut self, short: bool) -> Result<(), String> {
        let place = self.memo_place(short)?;
        let value = self.top()?;
        // The pickler counts up; a number out of the row would ask for the memory up to it.
        match place.cmp(&self.memo.len()) {
            std::cmp::Ordering::Less => self.memo[place] = value,
            std::cmp::Ordering::Equal => self.memo.push(value),
            std::cmp::Ordering::Greater => return Err("is damaged: its pickle leaves out numbers".into()),
        }
        Ok(())
    }

    /// A whole number of any length; those of more than eight bytes are of no use to a tensor.
    fn long(&mut self) -> Result<Value<'a>, String> {
        let [length] = self.take()?;
        let bytes = self.bytes(usize::from(length))?;
        if bytes.len() > size_of::<i64>() {
            return Ok(Value::Other);
        }
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut wide = [if negative { u8::MAX } else { 0 }; size_of::<i64>()];
        wide[..bytes.len()].copy_from_slice(bytes);
        Ok(Value::Whole(i64::from_le_bytes(wide)))
    }

    fn global(&mut self) -> Result<Global<'a>, String> {
        let (module, name) = (self.line()?, self.line()?);
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_tensor_v3") => Global::RebuildTyped,
            ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
            ("torch.storage", "UntypedStorage") => Global::Storage(Kind(name)),
            ("torch", storage) if storage.ends_with("Storage") => Global::Storage(Kind(name)),
            ("torch", kind) if is_type(kind) => Global::Type(Kind(name)),
            _ if self.makes_object() => {
                let class = shown(&format!("{module}.{name}"));
                return Err(format!(
                    "holds an object of `{class}`, which only its own program can read: \
                     save `model.state_dict()` and nothing else"
                ));
            }
            _ => {
                let function = shown(&format!("{module}.{name}"));
                return Err(format!("would run `{function}`: only plain state dicts are read"));
            }
        })
    }

    /// Whether a global that was just read is a class of which an object is made next.
    fn makes_object(&self) -> bool {
        let after = if let [b'q', _, after @ ..] | [b'r', _, _, _, _, after @ ..] = self.rest {
            after
        } else {
            self.rest
        };
        matches!(after, [b')', NEW_OBJECT, ..])
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let end = self.rest.iter().position(|byte| *byte == b'\n').ok_or(SHORT)?;
        let line = self.bytes(end)?;
        self.rest = &self.rest[1..];
        std::str::from_utf8(line).map_err(|_| "is damaged: a name in its pickle is not UTF-8".into())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(SHORT)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(SHORT)?;
        self.rest = rest;
        Ok(bytes)
    }
}

const SHORT: &str = "is damaged: its pickle is cut off";
const EMPTY: &str = "is damaged: its pickle takes what it did not put down";

/// Whether `torch.name` is a type without a storage of its own, as `PyTorch` 2.15 has them.
fn is_type(name: &str) -> bool {
    matches!(name, "uint16" | "uint32" | "uint64" | "complex32")
        || ["float8_", "float4_"].iter().any(|small| name.starts_with(small))
}
