"""A client of the prediction service: `Client` waits for answers, `AsyncClient` is for asyncio.

with Client("http://127.0.0.1:4040") as client:
for region in client.predict("photo.jpg").regions:
print(region.label, region.score_0_1)
"""

from teppr.client.answer import Answer, Region, ServedModel
from teppr.client.asynchronous import AsyncClient, AsyncJob
from teppr.client.call import How, Priority, Shapes
from teppr.client.picture import Given
from teppr.client.sync import Client, Job

__all__ = [
    "Answer",
    "AsyncClient",
    "AsyncJob",
    "Client",
    "Given",
    "How",
    "Job",
    "Priority",
    "Region",
    "ServedModel",
    "Shapes",
]
