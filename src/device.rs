//! The devices that a run can train on, and the processor that the program runs on.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::OnceLock;

use candle_core::Device;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result};

/// The device that a user asks for: `auto`, `cpu`, `cuda` or `cuda:N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceConfig {
    /// The first CUDA device if there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device with this number, from 0.
    Cuda(usize),
}

impl FromStr for DeviceConfig {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || {
            format!("unknown device \"{text}\": expected auto, cpu, cuda or cuda:N, where N counts from 0")
        };
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => match text.strip_prefix("cuda:").map(str::parse) {
                Some(Ok(ordinal)) => Ok(Self::Cuda(ordinal)),
                _ => Err(refused()),
            },
        }
    }
}

impl fmt::Display for DeviceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
        }
    }
}

impl Serialize for DeviceConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for DeviceConfig {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "DeviceConfig".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "anyOf": [{ "enum": ["auto", "cpu", "cuda"] }, { "pattern": "^cuda:[0-9]+$" }],
        })
    }
}

impl DeviceConfig {
    /// Opens the device, or says why there is none: [`Error::Environment`].
    ///
    /// Every run opens its own: two threads must not share one CUDA stream.
    pub fn open(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Auto if !cfg!(feature = "cuda") => Ok(Device::Cpu),
            Self::Auto => Ok(open_cuda(0).unwrap_or(Device::Cpu)),
            Self::Cuda(ordinal) => {
                open_cuda(ordinal).map_err(|reason| Error::Environment(refusal(ordinal, &reason)))
            }
        }
    }

    /// The device that [`open`](Self::open) would give, by name: `cpu` or `cuda:N`.
    pub fn resolve(self) -> Result<Self> {
        Ok(match self {
            Self::Auto if self.open()?.is_cuda() => Self::Cuda(0),
            Self::Auto | Self::Cpu => Self::Cpu,
            Self::Cuda(_) => {
                self.open()?;
                self
            }
        })
    }
}

fn refusal(ordinal: usize, reason: &str) -> String {
    let advice = if cfg!(feature = "cuda") {
        "`runner devices` lists what there is; --device cpu trains without it"
    } else {
        "build with `cargo build --release --features cuda`, or use --device cpu"
    };
    format!("there is no device cuda:{ordinal}: {reason}; {advice}")
}

/// candle panics where the driver's library is missing, so both ways of failing are caught.
fn open_cuda(ordinal: usize) -> Result<Device, String> {
    if !cfg!(feature = "cuda") {
        return Err("this program was built without CUDA".into());
    }
    match catch_unwind(AssertUnwindSafe(|| Device::new_cuda_with_stream(ordinal))) {
        Ok(Ok(device)) => Ok(device),
        Ok(Err(error)) => {
            let text = error.to_string();
            Err(text.lines().next().unwrap_or("unknown error").to_owned())
        }
        Err(_) => Err("the CUDA driver is not installed".into()),
    }
}

/// Keeps candle's own threads out of the way: its spinning pool costs a multiple on shared cores, and every
/// run has a thread of its own. Call it first in `main`, before any thread and any tensor.
pub fn limit_candle_threads() {
    for name in ["CANDLE_NUM_THREADS", "RAYON_NUM_THREADS"] {
        // SAFETY: nothing else runs yet that could read the environment at the same time.
        unsafe { std::env::set_var(name, "1") };
    }
}

/// The bytes that runs can still take: of a GPU its own memory, else that of the machine, or of the control group (a
/// container, a job of a cluster) where that has less. None where nobody says.
///
/// What a control group holds of files is not counted as taken: the system gives that back when it is asked for.
pub fn free_bytes(device: DeviceConfig) -> Option<u64> {
    match device.resolve().ok()? {
        DeviceConfig::Cuda(ordinal) => free_on_gpu(&open_cuda(ordinal).ok()?),
        DeviceConfig::Auto | DeviceConfig::Cpu => {
            let kind = sysinfo::RefreshKind::nothing().with_memory(sysinfo::MemoryRefreshKind::everything());
            let system = sysinfo::System::new_with_specifics(kind).ok()?;
            let group = system.cgroup_limits().map(|group| group.total_memory.saturating_sub(group.rss));
            Some(system.available_memory()).filter(|bytes| *bytes > 0).into_iter().chain(group).min()
        }
    }
}

#[cfg(feature = "cuda")]
fn free_on_gpu(device: &Device) -> Option<u64> {
    let Device::Cuda(device) = device else { return None };
    let (free, _) = device.cuda_stream().context().mem_get_info().ok()?;
    Some(free as u64)
}

#[cfg(not(feature = "cuda"))]
fn free_on_gpu(_: &Device) -> Option<u64> {
    None
}

/// More devices than one machine has.
const MOST_DEVICES: usize = 64;

/// The CUDA devices that can be opened, in order.
pub fn cuda_devices() -> Vec<DeviceConfig> {
    (0..MOST_DEVICES).map(DeviceConfig::Cuda).take_while(|device| device.open().is_ok()).collect()
}

/// Why there is no CUDA device, for `runner devices`; `None` if there is one.
pub fn cuda_absence() -> Option<String> {
    open_cuda(0).err()
}

/// What `run.json` says of the processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Processor {
    /// The model as the vendor calls it.
    pub model: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// The widest instruction set that the kernels use here: `avx512+amx`, `avx512`, `avx2` or `baseline`.
    pub instruction_set: &'static str,
}

impl Processor {
    /// The processor that this process runs on.
    pub fn detect() -> Self {
        let kind = sysinfo::CpuRefreshKind::nothing();
        let system = sysinfo::System::new_with_specifics(sysinfo::RefreshKind::nothing().with_cpu(kind));
        let model = system.ok().and_then(|system| Some(system.cpus().first()?.brand().trim().to_owned()));
        Self {
            model: model.filter(|model| !model.is_empty()).unwrap_or_else(|| "unknown".to_owned()),
            cores: available_cores(),
            instruction_set: instruction_set(),
        }
    }
}

/// Cores that this process may use, at least 1.
pub fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            return if has_tiles() { "avx512+amx" } else { "avx512" };
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            return "avx2";
        }
    }
    "baseline"
}

/// Whether this process may multiply bf16 on AMX tiles, and the processor has the vector instructions to prepare them.
pub fn has_tiles() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(tiles::are_usable)
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod tiles {
    use std::arch::is_x86_feature_detected;
    use std::arch::x86_64::__cpuid_count;

    pub fn are_usable() -> bool {
        /// The leaf of `CPUID` that lists extensions, and its bits for tiles and products of bf16.
        const EXTENSIONS: u32 = 7;
        const TILES: u32 = 1 << 24 | 1 << 22;
        let vectors = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16");
        vectors && __cpuid_count(EXTENSIONS, 0).edx & TILES == TILES && ask()
    }

    /// Linux saves the tiles of a process only once it has asked for them: `arch_prctl(ARCH_REQ_XCOMP_PERM)`, which
    /// fails where the system or a hypervisor keeps them back.
    fn ask() -> bool {
        const REQUEST: libc::c_long = 0x1023;
        const TILE_DATA: libc::c_long = 18;
        // SAFETY: the call changes what the kernel saves for this process, and no memory.
        unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST, TILE_DATA) == 0 }
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod tiles {
    pub fn are_usable() -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_alike() {
        for name in ["auto", "cpu", "cuda:0", "cuda:7"] {
            assert_eq!(name.parse::<DeviceConfig>().unwrap().to_string(), name);
        }
        assert_eq!("cuda".parse(), Ok(DeviceConfig::Cuda(0)));
        for name in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"] {
            let error = name.parse::<DeviceConfig>().unwrap_err();
            assert!(error.contains("expected auto, cpu, cuda or cuda:N"), "{error}");
        }
    }

    #[test]
    fn a_device_that_is_not_there_is_a_clear_error() {
        let error = DeviceConfig::Cuda(63).open().unwrap_err();
        assert_eq!(error.exit_code(), crate::error::EXIT_ENVIRONMENT);
        assert!(error.to_string().contains("cuda:63"), "{error}");
    }

    #[test]
    fn there_is_some_memory_left() {
        let free = free_bytes(DeviceConfig::Cpu).unwrap();
        assert!((1 << 20..1 << 50).contains(&free), "{free}");
        assert_eq!(free_bytes(DeviceConfig::Cuda(63)), None);
    }

    #[test]
    fn the_processor_has_cores() {
        assert!(Processor::detect().cores >= 1);
    }
}
