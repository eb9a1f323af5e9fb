"""Set-up of the servers and the demo tenant: `python -m echolead.demo.setup`, instead of `echolead.setup`."""

import sys

from echolead import setup
from echolead.demo import tenant

if __name__ == "__main__":
    sys.exit(setup.main(tenant.ensure))
