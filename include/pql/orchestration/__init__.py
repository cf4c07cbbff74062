"""The only room that knows Airflow: assets, pools, defaults, connections, notices, and the demo's runner."""
