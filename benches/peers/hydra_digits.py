"""The digits sweep in PyTorch with Hydra: a job is one training.

    python benches/peers/hydra_digits.py --multirun dropout=0.0,0.1 lr=1e-3,3e-3 seed=42,43 hydra.sweep.dir=FOLDER
"""

import hydra
from hydra.core.hydra_config import HydraConfig

import torch_digits


@hydra.main(config_path="hydra", config_name="digits", version_base="1.3")
def main(config):
    torch_digits.train(config, HydraConfig.get().runtime.output_dir)


if __name__ == "__main__":
    main()
