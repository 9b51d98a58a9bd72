//! One step of one direction: from the products to the state, and back.

use candle_core::Tensor;

use crate::Result;
use crate::kernel::recurrent::Cell;
use crate::kernel::recurrent::plan::Plan;

/// One step of one direction.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// Behind their functions; of a GRU n r z m.
    pub gates: Vec<Tensor>,
    /// h′ and c′.
    pub before: [Tensor; 2],
    /// h and c.
    pub after: [Tensor; 2],
}

/// The gates, and h and c, for h′ and c′.
pub(super) fn step_forward(
    plan: &Plan<'_>,
    from_input: &Tensor,
    from_state: &Tensor,
    [h, c]: &[Tensor; 2],
) -> Result<(Vec<Tensor>, [Tensor; 2])> {
    let part = |tensor: &Tensor, index: usize| tensor.narrow(2, index * plan.hidden, plan.hidden);
    Ok(match plan.cell {
        Cell::RnnTanh | Cell::RnnRelu => {
            let a = (from_input + from_state)?;
            let y = if plan.cell == Cell::RnnTanh {
                a.tanh()?
            } else {
                a.le(0.0)?.where_cond(&a.zeros_like()?, &a)?
            };
            (vec![y.clone()], [y, c.clone()])
        }
        Cell::Lstm => {
            let a = (from_input + from_state)?;
            let (i, f, o) = (sigmoid(&part(&a, 0)?)?, sigmoid(&part(&a, 1)?)?, sigmoid(&part(&a, 3)?)?);
            let g = part(&a, 2)?.tanh()?;
            let c = ((&f * c)? + (&i * &g)?)?;
            let h = (&o * c.tanh()?)?;
            (vec![i, f, g, o], [h, c])
        }
        Cell::Gru => {
            let r = sigmoid(&(part(from_input, 0)? + part(from_state, 0)?)?)?;
            let z = sigmoid(&(part(from_input, 1)? + part(from_state, 1)?)?)?;
            let m = part(from_state, 2)?;
            let n = (part(from_input, 2)? + (&r * &m)?)?.tanh()?;
            let new = (((1.0 - &z)? * &n)? + (&z * h)?)?;
            (vec![n, r, z, m], [new, c.clone()])
        }
    })
}

/// The gradients of what came from the input and from the state, of h′ beside the products, and of c′.
pub(super) struct StepGradients {
    pub from_input: Tensor,
    pub from_state: Tensor,
    pub h: Tensor,
    pub c: Tensor,
}

/// For the gradients of h and c.
pub(super) fn step_backward(plan: &Plan<'_>, step: &Step, dh: &Tensor, dc: &Tensor) -> Result<StepGradients> {
    let squared = |y: &Tensor| 1.0 - y.sqr()?;
    let logistic = |y: &Tensor| y * (1.0 - y)?;
    let zero = dh.zeros_like()?;
    Ok(match (plan.cell, step.gates.as_slice()) {
        (Cell::Lstm, [i, f, g, o]) => {
            let curved = step.after[1].tanh()?;
            let dc = (dc + ((dh * o)? * squared(&curved)?)?)?;
            let a = [
                ((&dc * g)? * logistic(i)?)?,
                ((&dc * &step.before[1])? * logistic(f)?)?,
                ((&dc * i)? * squared(g)?)?,
                ((dh * curved)? * logistic(o)?)?,
            ];
            let a = Tensor::cat(&a, 2)?;
            StepGradients { from_input: a.clone(), from_state: a, h: zero, c: (dc * f)? }
        }
        (Cell::Gru, [n, r, z, m]) => {
            let dn = ((dh * (1.0 - z)?)? * squared(n)?)?;
            let dr = ((&dn * m)? * logistic(r)?)?;
            let dz = ((dh * (&step.before[0] - n)?)? * logistic(z)?)?;
            let from_state = Tensor::cat(&[&dr, &dz, &(&dn * r)?], 2)?;
            let from_input = Tensor::cat(&[&dr, &dz, &dn], 2)?;
            StepGradients { from_input, from_state, h: (dh * z)?, c: zero }
        }
        _ => {
            let y = &step.after[0];
            let a = if plan.cell == Cell::RnnRelu {
                y.le(0.0)?.where_cond(&zero, dh)?
            } else {
                (dh * squared(y)?)?
            };
            StepGradients { from_input: a.clone(), from_state: a, h: zero.clone(), c: zero }
        }
    })
}

fn sigmoid(x: &Tensor) -> Result<Tensor> {
    Ok((x.neg()?.exp()? + 1.0)?.recip()?)
}
