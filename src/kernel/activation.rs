//! Element-wise nonlinearities and their derivatives, as `PyTorch` defines them.
//!
//! | | y | dy/dx |
//! |---|---|---|
//! | relu | max(x, 0) | 0 at 0 |
//! | `leaky_relu` | x, or s x below 0 | s at 0 |
//! | elu | x, or α (eˣ − 1) below 0 | 1, or α eˣ |
//! | gelu | x Φ(x), with the exact error function | Φ(x) + x φ(x) |
//! | silu | x σ(x) | σ(x) (1 + x (1 − σ(x))) |
//! | sigmoid | σ(x) | y (1 − y) |
//! | tanh | tanh x | 1 − y² |
//! | softplus | ln(1 + e^(βx)) / β, x where βx exceeds the threshold | σ(βx), 1 there |
//!
//! NaN stays NaN everywhere, so that a diverged run cannot look healthy behind a rectifier.

use candle_core::{DType, Device, Tensor};

use super::curve::Curve;
use super::{Element, is_cpu, read, simd};
use crate::{Error, Result};

/// A nonlinearity with its constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x, or `negative_slope` x below 0.
    LeakyRelu {
        /// s.
        negative_slope: f64,
    },
    /// x, or `alpha` (eˣ − 1) below 0.
    Elu {
        /// α.
        alpha: f64,
    },
    /// x Φ(x).
    Gelu,
    /// x σ(x).
    Silu,
    /// 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// ln(1 + e^(βx)) / β.
    Softplus {
        /// β.
        beta: f64,
        /// Above it, βx is taken for the result.
        threshold: f64,
    },
}

impl Activation {
    /// Whether [`backward`] wants the output of [`forward`]; it wants the input otherwise.
    pub fn keeps_output(self) -> bool {
        matches!(self, Self::Relu | Self::Sigmoid | Self::Tanh)
    }
}

/// y, of the shape of `x`.
pub fn forward(x: &Tensor, activation: Activation) -> Result<Tensor> {
    if !is_cpu(x) {
        return composed_forward(x, activation);
    }
    let x = x.contiguous()?;
    match x.dtype() {
        DType::F32 => slices_forward::<f32>(&x, activation),
        DType::F64 => slices_forward::<f64>(&x, activation),
        other => Err(unknown(other)),
    }
}

/// dx for the gradient `dy` of y; `kept` is what [`Activation::keeps_output`] says.
pub fn backward(kept: &Tensor, dy: &Tensor, activation: Activation) -> Result<Tensor> {
    if kept.dims() != dy.dims() {
        return Err(Error::Bug(format!("an activation was given a gradient of shape {:?}", dy.dims())));
    }
    if !is_cpu(kept) {
        return composed_backward(kept, dy, activation);
    }
    let (kept, dy) = (kept.contiguous()?, dy.contiguous()?);
    match kept.dtype() {
        DType::F32 => slices_backward::<f32>(&kept, &dy, activation),
        DType::F64 => slices_backward::<f64>(&kept, &dy, activation),
        other => Err(unknown(other)),
    }
}

fn unknown(dtype: DType) -> Error {
    Error::Bug(format!("an activation was given numbers of type {dtype:?}"))
}

/// The functions that the other nonlinearities are made of.
trait Smooth: Curve {
    /// eˣ − 1, accurate near 0.
    fn exponential_less_one(self) -> Self;
    /// ln(1 + x), accurate near 0.
    fn logarithm_of_one_more(self) -> Self;
    /// The error function.
    fn error_function(self) -> Self;
}

macro_rules! smooth {
    ($type:ty, $erf:path) => {
        impl Smooth for $type {
            #[inline(always)]
            fn exponential_less_one(self) -> Self {
                self.exp_m1()
            }
            #[inline(always)]
            fn logarithm_of_one_more(self) -> Self {
                self.ln_1p()
            }
            #[inline(always)]
            fn error_function(self) -> Self {
                $erf(self)
            }
        }
    };
}

smooth!(f32, libm::erff);
smooth!(f64, libm::erf);

/// Φ, the distribution function of the standard normal.
fn normal_distribution<T: Smooth>(x: T) -> T {
    T::of(0.5) * (T::ONE + (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).error_function())
}

/// φ, its density; 1/√(2π) = (2/√π) (1/√2) / 2.
fn normal_density<T: Smooth>(x: T) -> T {
    let scale = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2 * 0.5;
    T::of(scale) * (T::of(-0.5) * x * x).exponential()
}

/// One match outside the loops, so that each loop is straight code that the compiler can vectorise.
fn slices_forward<T: Smooth>(x: &Tensor, activation: Activation) -> Result<Tensor> {
    let y = read::<T, _>(x, |x| match activation {
        Activation::Relu => map(x, move |x| if x <= T::ZERO { T::ZERO } else { x }),
        Activation::LeakyRelu { negative_slope } => {
            let slope = T::of(negative_slope);
            map(x, move |x| if x > T::ZERO { x } else { slope * x })
        }
        Activation::Elu { alpha } => {
            let alpha = T::of(alpha);
            map(x, move |x| if x > T::ZERO { x } else { alpha * x.exponential_less_one() })
        }
        Activation::Gelu => map(x, move |x| x * normal_distribution(x)),
        Activation::Silu => map(x, move |x| x * x.sigmoid()),
        Activation::Sigmoid => map(x, T::sigmoid),
        Activation::Tanh => map(x, T::tangent),
        Activation::Softplus { beta, threshold } => {
            let (beta, threshold) = (T::of(beta), T::of(threshold));
            map(x, move |x| {
                let scaled = beta * x;
                if scaled > threshold { x } else { scaled.exponential().logarithm_of_one_more() / beta }
            })
        }
    })?;
    Ok(Tensor::from_vec(y, x.shape(), &Device::Cpu)?)
}

fn slices_backward<T: Smooth>(kept: &Tensor, dy: &Tensor, activation: Activation) -> Result<Tensor> {
    let dx = read::<T, _>(kept, |kept| {
        read::<T, _>(dy, |dy| match activation {
            Activation::Relu => map_pair(kept, dy, move |y, dy| if y <= T::ZERO { T::ZERO } else { dy }),
            Activation::LeakyRelu { negative_slope } => {
                let slope = T::of(negative_slope);
                map_pair(kept, dy, move |x, dy| if x > T::ZERO { dy } else { slope * dy })
            }
            Activation::Elu { alpha } => {
                let alpha = T::of(alpha);
                map_pair(kept, dy, move |x, dy| if x > T::ZERO { dy } else { dy * alpha * x.exponential() })
            }
            Activation::Gelu => {
                map_pair(kept, dy, move |x, dy| dy * (normal_distribution(x) + x * normal_density(x)))
            }
            Activation::Silu => map_pair(kept, dy, move |x, dy| {
                let s = x.sigmoid();
                dy * s * (T::ONE + x * (T::ONE - s))
            }),
            Activation::Sigmoid => map_pair(kept, dy, move |y, dy| dy * y * (T::ONE - y)),
            Activation::Tanh => map_pair(kept, dy, move |y, dy| dy * (T::ONE - y * y)),
            Activation::Softplus { beta, threshold } => {
                let (beta, threshold) = (T::of(beta), T::of(threshold));
                map_pair(kept, dy, move |x, dy| {
                    let scaled = beta * x;
                    if scaled > threshold { dy } else { dy * scaled.sigmoid() }
                })
            }
        })
    })??;
    Ok(Tensor::from_vec(dx, kept.shape(), &Device::Cpu)?)
}

/// `op` is moved into the loop with its constants: read through a reference they could change between two
/// numbers for all that the compiler knows, and it would neither vectorise nor do without jumps.
fn map<T: Element>(x: &[T], op: impl Fn(T) -> T) -> Vec<T> {
    simd(
        #[inline(always)]
        move || {
            let mut out = Vec::with_capacity(x.len());
            out.extend(x.iter().map(move |x| op(*x)));
            out
        },
    )
}

/// As [`map`], of two slices.
fn map_pair<T: Element>(x: &[T], dy: &[T], op: impl Fn(T, T) -> T) -> Vec<T> {
    simd(
        #[inline(always)]
        move || {
            let mut out = Vec::with_capacity(x.len());
            out.extend(x.iter().zip(dy).map(move |(x, dy)| op(*x, *dy)));
            out
        },
    )
}

fn composed_forward(x: &Tensor, activation: Activation) -> Result<Tensor> {
    Ok(match activation {
        Activation::Relu => x.le(0.0)?.where_cond(&x.zeros_like()?, x)?,
        Activation::LeakyRelu { negative_slope } => x.gt(0.0)?.where_cond(x, &(x * negative_slope)?)?,
        Activation::Elu { alpha } => x.gt(0.0)?.where_cond(x, &((x.exp()? - 1.0)? * alpha)?)?,
        Activation::Gelu => (x * composed_normal_distribution(x)?)?,
        Activation::Silu => (x / (x.neg()?.exp()? + 1.0)?)?,
        Activation::Sigmoid => composed_sigmoid(x)?,
        Activation::Tanh => x.tanh()?,
        Activation::Softplus { beta, threshold } => {
            let scaled = (x * beta)?;
            let soft = ((scaled.exp()? + 1.0)?.log()? / beta)?;
            scaled.gt(threshold)?.where_cond(x, &soft)?
        }
    })
}

fn composed_backward(kept: &Tensor, dy: &Tensor, activation: Activation) -> Result<Tensor> {
    Ok(match activation {
        Activation::Relu => kept.le(0.0)?.where_cond(&dy.zeros_like()?, dy)?,
        Activation::LeakyRelu { negative_slope } => kept.gt(0.0)?.where_cond(dy, &(dy * negative_slope)?)?,
        Activation::Elu { alpha } => kept.gt(0.0)?.where_cond(dy, &((dy * alpha)? * kept.exp()?)?)?,
        Activation::Gelu => {
            let scale = std::f64::consts::FRAC_2_SQRT_PI * std::f64::consts::FRAC_1_SQRT_2 * 0.5;
            let density = ((kept.sqr()? * -0.5)?.exp()? * scale)?;
            (dy * (composed_normal_distribution(kept)? + (kept * density)?)?)?
        }
        Activation::Silu => {
            let s = composed_sigmoid(kept)?;
            let inner = ((kept * (1.0 - &s)?)? + 1.0)?;
            ((dy * s)? * inner)?
        }
        Activation::Sigmoid => ((dy * kept)? * (1.0 - kept)?)?,
        Activation::Tanh => (dy * (1.0 - kept.sqr()?)?)?,
        Activation::Softplus { beta, threshold } => {
            let scaled = (kept * beta)?;
            scaled.gt(threshold)?.where_cond(dy, &(dy * composed_sigmoid(&scaled)?)?)?
        }
    })
}

fn composed_sigmoid(x: &Tensor) -> Result<Tensor> {
    Ok((x.neg()?.exp()? + 1.0)?.recip()?)
}

fn composed_normal_distribution(x: &Tensor) -> Result<Tensor> {
    Ok((((x * std::f64::consts::FRAC_1_SQRT_2)?.erf()? + 1.0)? * 0.5)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::checks::{assert_close, assert_same, differences, dot, normal, numbers, tensor};

    const ALL: [Activation; 8] = [
        Activation::Relu,
        Activation::LeakyRelu { negative_slope: 0.2 },
        Activation::Elu { alpha: 0.5 },
        Activation::Gelu,
        Activation::Silu,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::Softplus { beta: 2.0, threshold: 20.0 },
    ];

    const X: [f64; 9] = [-30.0, -3.0, -1.0, -0.1, 0.0, 0.1, 1.0, 3.0, 30.0];

    fn gradient(x: &Tensor, dy: &Tensor, activation: Activation) -> Tensor {
        let kept = if activation.keeps_output() { &forward(x, activation).unwrap() } else { x };
        backward(kept, dy, activation).unwrap()
    }

    /// ```python
    /// # PyTorch 2.15
    /// x = torch.tensor([-30., -3., -1., -0.1, 0., 0.1, 1., 3., 30.], dtype=torch.float64, requires_grad=True)
    /// for f in (F.relu, lambda t: F.leaky_relu(t, 0.2), lambda t: F.elu(t, 0.5), F.gelu, F.silu, torch.sigmoid,
    ///           torch.tanh, lambda t: F.softplus(t, 2.0, 20.0)):
    ///     t = x.detach().requires_grad_(); y = f(t); y.sum().backward(); print(y, t.grad)
    /// ```
    #[test]
    #[expect(clippy::too_many_lines, clippy::unreadable_literal, reason = "numbers as PyTorch prints them")]
    fn agrees_with_pytorch() {
        let expected: [([f64; 9], [f64; 9]); 8] = [
            ([0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 1.0, 3.0, 30.0], [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]),
            (
                [-6.0, -0.6, -0.2, -0.02, 0.0, 0.1, 1.0, 3.0, 30.0],
                [0.2, 0.2, 0.2, 0.2, 0.2, 1.0, 1.0, 1.0, 1.0],
            ),
            (
                [
                    -0.499999999999953,
                    -0.475106465816068,
                    -0.316060279414279,
                    -0.0475812909820202,
                    0.0,
                    0.1,
                    1.0,
                    3.0,
                    30.0,
                ],
                [
                    4.67881148442009e-14,
                    0.024893534183932,
                    0.183939720585721,
                    0.45241870901798,
                    0.5,
                    1.0,
                    1.0,
                    1.0,
                    1.0,
                ],
            ),
            (
                [
                    -0.0,
                    -0.00404969409489031,
                    -0.158655253931457,
                    -0.0460172162722971,
                    0.0,
                    0.0539827837277029,
                    0.841344746068543,
                    2.99595030590511,
                    30.0,
                ],
                [
                    -4.42093840463564e-195,
                    -0.0119456472041839,
                    -0.0833154705876863,
                    0.42047690797527,
                    0.5,
                    0.57952309202473,
                    1.08331547058769,
                    1.01194564720418,
                    1.0,
                ],
            ),
            (
                [
                    -2.80728689065179e-12,
                    -0.1422776195327,
                    -0.268941421369995,
                    -0.047502081252106,
                    0.0,
                    0.052497918747894,
                    0.731058578630005,
                    2.8577223804673,
                    29.9999999999972,
                ],
                [
                    -2.71371066096313e-12,
                    -0.0881041060151696,
                    0.0723294881285133,
                    0.450083208501771,
                    0.5,
                    0.549916791498229,
                    0.927670511871487,
                    1.08810410601517,
                    1.00000000000271,
                ],
            ),
            (
                [
                    9.3576229688393e-14,
                    0.0474258731775668,
                    0.268941421369995,
                    0.47502081252106,
                    0.5,
                    0.52497918747894,
                    0.731058578630005,
                    0.952574126822433,
                    0.999999999999907,
                ],
                [
                    9.35762296883842e-14,
                    0.0451766597309121,
                    0.196611933241482,
                    0.249376040192892,
                    0.25,
                    0.249376040192892,
                    0.196611933241482,
                    0.045176659730912,
                    9.34807786734294e-14,
                ],
            ),
            (
                [
                    -1.0,
                    -0.99505475368673,
                    -0.761594155955765,
                    -0.0996679946249558,
                    0.0,
                    0.0996679946249558,
                    0.761594155955765,
                    0.99505475368673,
                    1.0,
                ],
                [
                    0.0,
                    0.00986603716544017,
                    0.419974341614026,
                    0.99006629084744,
                    1.0,
                    0.99006629084744,
                    0.419974341614026,
                    0.00986603716544017,
                    0.0,
                ],
            ),
            (
                [
                    4.37825538134826e-27,
                    0.00123784256886522,
                    0.0634640055214862,
                    0.299069434690796,
                    0.346573590279973,
                    0.399069434690796,
                    1.06346400552149,
                    3.00123784256887,
                    30.0,
                ],
                [
                    8.75651076269652e-27,
                    0.00247262315663477,
                    0.119202922022118,
                    0.450166002687522,
                    0.5,
                    0.549833997312478,
                    0.880797077977882,
                    0.997527376843365,
                    1.0,
                ],
            ),
        ];
        let x = tensor(&X, &[1, 1, 9]);
        let ones = x.ones_like().unwrap();
        for (activation, (y, dx)) in ALL.into_iter().zip(expected) {
            assert_close(&numbers(&forward(&x, activation).unwrap()), &y, 1e-14);
            assert_close(&numbers(&gradient(&x, &ones, activation)), &dx, 1e-14);
            let narrow = x.to_dtype(DType::F32).unwrap();
            assert_close(&numbers(&forward(&narrow, activation).unwrap()), &y, 1e-6);
            let ones = ones.to_dtype(DType::F32).unwrap();
            assert_close(&numbers(&gradient(&narrow, &ones, activation)), &dx, 1e-6);
        }
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let (x, dy) = (normal(1, &[2, 3, 7], DType::F64), normal(2, &[2, 3, 7], DType::F64));
        for activation in ALL {
            let expected = differences(&x, |x| dot(&forward(x, activation).unwrap(), &dy));
            assert_close(&numbers(&gradient(&x, &dy, activation)), &expected, 1e-8);
        }
    }

    #[test]
    fn slices_and_composition_agree_on_random_shapes() {
        for seed in 0..20 {
            let shape = [1 + seed as usize % 3, 1 + seed as usize * 7 % 11, 1 + seed as usize * 5 % 17];
            let x = (normal(seed, &shape, DType::F32) * 4.0).unwrap();
            let dy = normal(seed + 50, &shape, DType::F32);
            for activation in ALL {
                let y = forward(&x, activation).unwrap();
                assert_same(&y, &composed_forward(&x, activation).unwrap(), 2e-6);
                let kept = if activation.keeps_output() { &y } else { &x };
                let dx = backward(kept, &dy, activation).unwrap();
                assert_same(&dx, &composed_backward(kept, &dy, activation).unwrap(), 2e-6);
            }
        }
    }

    #[test]
    fn nan_stays_and_large_numbers_stay_finite() {
        for activation in ALL {
            let nan = Tensor::new(&[[[f32::NAN]]], &Device::Cpu).unwrap();
            assert!(numbers(&forward(&nan, activation).unwrap())[0].is_nan(), "{activation:?}");
            assert!(numbers(&composed_forward(&nan, activation).unwrap())[0].is_nan(), "{activation:?}");
            let large = Tensor::new(&[[[-1e4f32, 1e4]]], &Device::Cpu).unwrap();
            let ones = large.ones_like().unwrap();
            let both = [forward(&large, activation).unwrap(), gradient(&large, &ones, activation)];
            for found in both {
                assert!(numbers(&found).iter().all(|x| x.is_finite()), "{activation:?} {found}");
            }
        }
    }
}
