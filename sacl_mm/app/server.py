"""The routes of the explorer. It serves the images of the data set alone, in the page itself, and nothing by a path."""

import io
from collections.abc import Awaitable, Callable

from PIL import Image
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from sacl_mm.datasets.transforms.load_image import FORMATS, LoadImage
from sacl_mm.inference import ImageTextInferencer
from sacl_mm.report.explore import Explorer, suspects_csv
from sacl_mm.user_error import printable

MOST_BYTES = 20_000_000
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def make_app(explorer: Explorer, model: ImageTextInferencer, host: str = '127.0.0.1') -> Starlette:
    """GET / (q: a text, or image: an index), POST /image (file: an image), GET /suspects.csv.

    Args:
        host: the name, besides 127.0.0.1 and localhost, by which it may be asked for.
    """

    async def index(request: Request) -> Response:
        query, image = request.query_params.get('q', '').strip()[:1000], request.query_params.get('image')
        if query:
            return await run_in_threadpool(_searched_by_text, explorer, model, query)
        if image is not None:
            if not image.isdecimal() or int(image) >= len(explorer.run.images):
                return PlainTextResponse(f'there is no image {printable(image[:20])}', status_code=404)
            found = explorer.search_captions(explorer.run.image_NE[int(image)])
            return HTMLResponse(explorer.page(found=found))
        return HTMLResponse(explorer.page())

    async def search_by_image(request: Request) -> Response:
        if int(request.headers.get('content-length') or MOST_BYTES + 1) > MOST_BYTES:
            return PlainTextResponse(f'an image of at most {MOST_BYTES:,} bytes, please', status_code=413)
        async with request.form(max_files=1, max_fields=1) as form:
            file = form.get('file')
            content = b'' if file is None or isinstance(file, str) else await file.read()
        return await run_in_threadpool(_searched_by_image, explorer, model, content)

    async def table(request: Request) -> Response:
        return Response(suspects_csv(explorer.run, explorer.suspects), media_type='text/csv')

    routes = [
        Route('/', _guarded(index)),
        Route('/image', _guarded(search_by_image), methods=['POST']),
        Route('/suspects.csv', _guarded(table)),
    ]
    app = Starlette(routes=routes)
    app.state.host = host
    return app


def _guarded(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Nothing is loaded from elsewhere, no script runs, and no other name than this machine's leads here."""

    async def guarded(request: Request) -> Response:
        if request.url.hostname not in ('127.0.0.1', 'localhost', request.app.state.host):
            return PlainTextResponse('unknown host', status_code=400)
        response = await answer(request)
        response.headers['Content-Security-Policy'] = _POLICY
        response.headers['X-Content-Type-Options'] = 'nosniff'
        return response

    return guarded


def _searched_by_text(explorer: Explorer, model: ImageTextInferencer, query: str) -> Response:
    try:
        (text,) = model.embed_texts([query])
    except ValueError as error:
        return PlainTextResponse(printable(str(error)), status_code=400)
    return HTMLResponse(explorer.page(query, explorer.search_images(text)))


def _searched_by_image(explorer: Explorer, model: ImageTextInferencer, content: bytes) -> Response:
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        pixels = LoadImage()(dict(img_path=image))['img']
    except Exception as error:  # decoders raise errors of every kind
        return PlainTextResponse(f'no image that can be read: {printable(str(error))}', status_code=400)
    (feature,) = model.embed_images([pixels])
    return HTMLResponse(explorer.page(found=explorer.search_captions(feature)))
