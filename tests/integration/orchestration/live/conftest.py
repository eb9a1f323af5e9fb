"""What stands as long as tests of this folder run: the warehouse that the live path turns over."""

from tests.fixtures.live_path import live, live_settings  # noqa: F401  # fixtures
