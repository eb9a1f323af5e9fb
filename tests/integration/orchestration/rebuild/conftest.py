"""What stands as long as tests of this folder run: a warehouse that `prepare` has built."""

from tests.fixtures.prepared import prepared  # noqa: F401  # a fixture
