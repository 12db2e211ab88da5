"""A program that imports a library and trains the seed model once on 64 samples: `first_epoch.py PEER THREADS`."""

import sys

from cases import Case
from data import make_data, make_weights
from models import TRAINED
from peers import PEERS


def main() -> None:
    """Two batches of 32."""
    peer, threads = sys.argv[1], int(sys.argv[2])
    case = Case("train", TRAINED[0], 2)
    data, weights = make_data(case.model, case.model.batch * case.calls), make_weights(case.model)
    library = PEERS[peer].open(threads)
    # The first variant is the library's default.
    library.open(case, data, weights)[0].run(case.calls)


if __name__ == "__main__":
    main()
