"""The page inside Airflow: a web application that knows of Airflow only who may read and edit."""

from pql.page.app import create_app
from pql.page.wiring import Wiring

__all__ = ["Wiring", "create_app"]
