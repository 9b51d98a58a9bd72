//! Models: lists of layers with explicit forward and backward passes.
//!
//! There is no automatic differentiation. candle's graph computes gradients that nobody asked for (those of
//! the first layer's input alone are a tenth of a step), adds zeros to every one of them, keeps every
//! activation during an evaluation, and cuts or scales some gradients without an error. A model here is a
//! list: each layer knows its exact derivative, keeps what that needs and no more, and an evaluation keeps
//! nothing. candle gives tensors, storage, devices and the operations on CUDA.
//!
//! What lies here knows nothing of losses, optimizers, data sources or files but for reading weights.

mod access;
mod chain;
mod cnn;
mod config;
pub mod init;
pub mod initializer;
pub mod layer;
mod memory;
mod mlp;
mod network;
mod order;
mod orthogonal;
mod parameter;
mod pool;
mod regularizer;
mod rnn;
pub mod seal;
mod sequential;
mod shapes;
pub mod state_dict;
mod summary;
mod transfer;
mod weights;

pub use cnn::{CnnConfig, HeadConfig};
pub use config::{ArchitectureConfig, ModelConfig, ModelSettings};
pub use init::InitConfig;
pub use layer::{Layer, LayerConfig, Mode, Pass};
pub use memory::{Load, Purpose};
pub use mlp::{ActivationPosition, MlpConfig};
pub use network::Model;
pub use parameter::Parameter;
pub use pool::{PoolConfig, PoolWindowConfig};
pub use regularizer::{RegularizerConfig, RegularizerList};
pub use rnn::{CellKind, RnnConfig, RnnPooling};
pub use sequential::SequentialConfig;
pub use summary::{Summary, SummaryRow};
pub use transfer::{Match, TransferReport};
pub use weights::{read_tensors, read_tensors_from};
