//! Training one model.

pub mod event;
