"""The OpenAPI document says what the service does: requests made of it are answered as it says."""

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from teppr.serving.app import make_app
from teppr.serving.dispatch import Dispatcher, DispatchLimits
from teppr.serving.protocols.contract import Service
from teppr.serving.upload import UploadLimits

MAX_EXAMPLES = 40


def document() -> schemathesis.BaseSchema:
    limits = UploadLimits(max_bytes=4_000_000, timeout_s=10)
    service = Service(dispatcher=Dispatcher("unix:///none", DispatchLimits()), upload_limits=limits, max_image_pixels=1)
    return schemathesis.openapi.from_dict(make_app(service).openapi())


DOCUMENT = document()


@pytest.mark.slow
@DOCUMENT.parametrize()
@settings(max_examples=MAX_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_service_does_what_its_document_says(case: "schemathesis.Case[Any]", client: httpx.Client) -> None:
    response = case.call(base_url=str(client.base_url))
    # A document cannot say which bytes are an image, nor that a deadline of nanoseconds passes; in forms all is text.
    beyond: list[Any] = [positive_data_acceptance, not_a_server_error]
    beyond += [negative_data_rejection] if case.media_type == "multipart/form-data" else []
    case.validate_response(response, excluded_checks=beyond)
    assert response.status_code < 500 or (response.status_code == 504 and "deadline" in response.text)
