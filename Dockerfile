# One image for every service of docker-compose.yaml that runs our code.
#
# A plain Python and not apache/airflow: that image brings some eighty providers in versions of its own, which the lock
# would half replace. Here Airflow comes from the lock like everything else, so what runs is what the tests ran.
FROM python:3.11-slim-bookworm

ENV AIRFLOW_HOME=/opt/airflow \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1

WORKDIR /opt/pql
COPY requirements-server.txt ./
RUN pip install --no-cache-dir -r requirements-server.txt

# Nobody's shell, no rights; it owns its volumes' folders and nothing of the code.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /opt/airflow --shell /usr/sbin/nologin pql \
    && install -d -o pql -g pql /opt/airflow /opt/airflow/logs /var/lib/pql /var/lib/pql/lake /var/lib/pql/sandbox

COPY pyproject.toml ./
COPY include include
COPY dags dags
COPY plugins plugins
RUN pip install --no-cache-dir --no-deps --editable . \
    && python -m compileall -q include dags plugins

USER pql
CMD ["airflow", "version"]
