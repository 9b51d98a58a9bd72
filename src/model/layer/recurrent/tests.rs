use candle_core::{DType, Device};

use super::*;
use crate::kernel::checks::{assert_close, differences, dot, normal, numbers};
use crate::model::layer::checks::{assert_contract, assert_gradients, build};
use crate::model::{InitConfig, LayerConfig};
use crate::setting::Problems;

fn config() -> RecurrentConfig {
    RecurrentConfig { num_layers: 2, bidirectional: true, dropout: 0.4, ..RecurrentConfig::new(2) }
}

fn all(config: &RecurrentConfig) -> [LayerConfig; 4] {
    let RecurrentConfig { hidden_size, num_layers, bias, dropout, bidirectional, pooling } = config.clone();
    let elman = |nonlinearity| {
        LayerConfig::Rnn(ElmanConfig {
            hidden_size,
            num_layers,
            nonlinearity,
            bias,
            dropout,
            bidirectional,
            pooling,
        })
    };
    [
        elman(ElmanNonlinearity::Tanh),
        elman(ElmanNonlinearity::Relu),
        LayerConfig::Lstm(config.clone()),
        LayerConfig::Gru(config.clone()),
    ]
}

#[test]
fn gradients_are_exact_and_the_contract_is_kept() {
    for pooling in [PoolingConfig::None, PoolingConfig::Last, PoolingConfig::Mean, PoolingConfig::Max] {
        for bias in [true, false] {
            for layer in all(&RecurrentConfig { bias, pooling, ..config() }) {
                assert_gradients(&layer, &[4, 3]);
                assert_contract(&layer, &[4, 3]);
            }
        }
    }
}

#[test]
fn lengths_reach_the_kernel_and_dropout_works_in_training_alone() {
    let mut layer = build(&LayerConfig::Lstm(config()), &[4, 3], 1);
    let x = normal(1, &[1, 3, 4, 3], DType::F64);
    let lengths = [2, 4, 1];
    let training = Pass::training(&[1], 3).with_lengths(Some(&lengths));
    let y = layer.forward(&x, &training).unwrap();
    let dy = normal(2, y.dims(), DType::F64);
    let dx = layer.backward(&dy, true).unwrap().unwrap();
    let expected = differences(&x, |x| dot(&layer.forward(x, &training).unwrap(), &dy));
    assert_close(&numbers(&dx), &expected, 1e-7);
    assert!(numbers(&y.narrow(2, 3, 1).unwrap()).iter().filter(|y| **y == 0.0).count() >= 8);

    let evaluation = Pass::EVALUATION.with_lengths(Some(&lengths));
    let quiet = numbers(&layer.forward(&x, &evaluation).unwrap());
    assert_ne!(numbers(&y), quiet);
    let other = Pass::training(&[1], 4).with_lengths(Some(&lengths));
    assert_ne!(numbers(&y), numbers(&layer.forward(&x, &other).unwrap()), "another step, another mask");
    let mut still = build(&LayerConfig::Lstm(RecurrentConfig { dropout: 0.0, ..config() }), &[4, 3], 1);
    assert_eq!(numbers(&still.forward(&x, &training).unwrap()), quiet);
}

#[test]
fn layers_are_described_and_their_weights_named_as_in_pytorch() {
    let texts = all(&config()).map(|layer| build(&layer, &[4, 3], 1).describe());
    let expected = [
        "RNN(3, 2, num_layers=2, dropout=0.4, bidirectional=True)",
        "RNN(3, 2, num_layers=2, nonlinearity=relu, dropout=0.4, bidirectional=True)",
        "LSTM(3, 2, num_layers=2, dropout=0.4, bidirectional=True)",
        "GRU(3, 2, num_layers=2, dropout=0.4, bidirectional=True)",
    ];
    assert_eq!(texts, expected);
    let plain = RecurrentConfig { bias: false, pooling: PoolingConfig::Mean, ..RecurrentConfig::new(5) };
    let layer = build(&LayerConfig::Gru(plain), &[4, 3], 1);
    assert_eq!(layer.describe(), "GRU(3, 5, bias=False, pooling=mean)");
    let names: Vec<&str> = layer.parameters().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["weight_ih_l0", "weight_hh_l0"]);
    let layer = build(&LayerConfig::Gru(config()), &[4, 3], 1);
    let names: Vec<&str> = layer.parameters().iter().map(|(name, _)| *name).collect();
    assert_eq!(names[3..6], ["bias_hh_l0", "weight_ih_l0_reverse", "weight_hh_l0_reverse"]);
    assert_eq!(names[15], "bias_hh_l1_reverse");
}

#[test]
fn weights_begin_as_in_pytorch_and_no_two_alike() {
    let config = RecurrentConfig { num_layers: 2, bidirectional: true, ..RecurrentConfig::new(16) };
    let begin = |init: &InitConfig, ordinal: u32| -> Vec<Vec<f64>> {
        let init = Initializer::new(init, &[3], DType::F64, &Device::Cpu);
        let layer = Recurrent::build(&config.of(Cell::Lstm), &[4, 9], ordinal, &init).unwrap();
        layer.parameters().iter().map(|(_, one)| numbers(&one.value)).collect()
    };
    let all = begin(&InitConfig::Default, 0);
    let mut firsts: Vec<f64> = all.iter().chain(&begin(&InitConfig::Default, 1)).map(|one| one[0]).collect();
    for one in &all {
        let largest = one.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
        assert!(largest <= 0.25 && largest > 0.22, "±1/√16, not {largest}");
    }
    firsts.sort_by(f64::total_cmp);
    firsts.dedup();
    assert_eq!(firsts.len(), 32);
    let xavier = begin(&InitConfig::XavierUniform(crate::model::init::XavierConfig::default()), 0);
    // √(6 / (9 + 64)) and √(6 / (16 + 64)).
    for (weight, bound) in xavier.iter().zip([0.2867, 0.2739]) {
        let largest = weight.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
        assert!(largest <= bound && largest > 0.97 * bound, "{largest}");
    }
    assert!(xavier[2].iter().chain(&xavier[3]).all(|x| *x == 0.0), "biases are zero");
}

#[test]
fn samples_without_steps_and_absurd_sizes_are_refused() {
    let lstm = LayerConfig::Lstm(config());
    assert!(lstm.output_shape(&[3]).is_err() && lstm.output_shape(&[1, 2, 3]).is_err());
    assert!(lstm.output_shape(&[4, 0]).is_err());
    assert_eq!(lstm.output_shape(&[4, 3]).unwrap(), [4, 4]);
    let vast = RecurrentConfig { num_layers: 100, bidirectional: true, ..RecurrentConfig::new(1 << 24) };
    assert!(LayerConfig::Lstm(vast).parameter_count(&[4, 1 << 24]).unwrap() > 1 << 50);
    for (hidden_size, num_layers) in [(0, 1), (1, 0), (1, MAX_LAYERS + 1)] {
        let config = RecurrentConfig { num_layers, ..RecurrentConfig::new(hidden_size) };
        assert!(LayerConfig::Gru(config).output_shape(&[4, 3]).is_err());
    }
    let mut problems = Problems::default();
    all(&RecurrentConfig { num_layers: 0, dropout: -1.0, ..config() })[0].check(&mut problems);
    LayerConfig::Gru(RecurrentConfig { dropout: f64::NAN, ..RecurrentConfig::new(0) }).check(&mut problems);
    let found: Vec<String> = problems.into_found().iter().map(|one| one.path.to_string()).collect();
    assert_eq!(found, ["num_layers", "dropout", "hidden_size", "dropout"]);
}
