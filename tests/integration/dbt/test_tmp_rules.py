from tests.integration.dbt.conftest import Project


def test_staging(project: Project) -> None:
    project.forget()
    project.run("build", "--select", "stg_operational__lead_rules", "stg_operational__business_hours")
