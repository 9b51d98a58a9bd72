//! What a pickle of tensors is made of.

use candle_core::DType;

/// A value on the machine's stack; what it owns lies among the [`Object`]s, so that sharing costs nothing and
/// nothing is walked through by recursion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Whole(i64),
    Global(Global<'a>),
    /// The place of an [`Object`].
    Object(usize),
    /// Nothing, a truth value, a fraction: no tensor depends on it.
    Other,
}

/// What may be named in a pickle. None of it is code that runs: the reader knows what each stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global<'a> {
    OrderedDict,
    RebuildTensor,
    /// As [`RebuildTensor`](Self::RebuildTensor), of types that have no storage of their own.
    RebuildTyped,
    RebuildParameter,
    Storage(Kind<'a>),
    Type(Kind<'a>),
}

/// The type of numbers by the name of its storage, such as `FloatStorage`, or its own, such as `uint16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind<'a>(pub &'a str);

impl Kind<'_> {
    /// The type that a weight may have.
    pub fn dtype(self) -> Option<DType> {
        Some(match self.0 {
            "HalfStorage" => DType::F16,
            "BFloat16Storage" => DType::BF16,
            "FloatStorage" => DType::F32,
            "DoubleStorage" => DType::F64,
            "LongStorage" => DType::I64,
            _ => return None,
        })
    }
}

/// What a value can share with others.
#[derive(Debug)]
pub(super) enum Object<'a> {
    Tuple(Vec<Value<'a>>),
    /// No tensor lies in a list: what it holds is forgotten.
    List,
    Dict {
        /// Whether it is an `OrderedDict`, which may have attributes.
        ordered: bool,
        entries: Vec<(Value<'a>, Value<'a>)>,
    },
    Storage(Storage<'a>),
    Tensor(Box<View<'a>>),
}

/// Numbers in a file of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Storage<'a> {
    /// The name of its file.
    pub key: &'a str,
    pub kind: Kind<'a>,
    /// How many numbers it should have.
    pub count: usize,
}

/// A tensor as `PyTorch` keeps it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct View<'a> {
    pub storage: Storage<'a>,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
    /// Whether its numbers are to be conjugated or negated when they are read.
    pub altered: bool,
}
