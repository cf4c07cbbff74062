"""The page inside Airflow: a web application that knows of Airflow only who may read and edit."""
