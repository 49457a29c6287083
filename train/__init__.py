"""Training and evaluation: `python -m train ...`. Reads manifests only."""

from cxrtriage.nets.torchvision_import import import_torchvision

# Lightning's metrics import torchvision, so its import is mended before anything else here.
import_torchvision()
