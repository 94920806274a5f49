#!/usr/bin/env python
"""Look at a model and its images: `python tools/explore.py MODEL [DATA]` opens a page at http://127.0.0.1:8000.

Search by text and by image, the weights that the loss gives to a batch, suspected false negatives (with a table to take
along), the worst errors. `--html out.html` writes the same, without search, as one file that needs nothing else.
"""

import argparse
from pathlib import Path

from sacl_mm.user_error import UserError, printable


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'model', metavar='MODEL', help="a work dir, a model's folder or a checkpoint beside its configuration"
    )
    parser.add_argument(
        'data',
        metavar='DATA',
        nargs='?',
        help="images with captions, as of train.py --data (default: the model's validation data)",
    )
    parser.add_argument('--images', metavar='DIR', help='the folder that the names of images start from')
    parser.add_argument('--html', type=Path, help='write a file instead of serving')
    parser.add_argument('--host', default='127.0.0.1', help='default: this machine alone (%(default)s)')
    parser.add_argument('--port', type=int, default=8000)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    # Here and below, for it takes seconds to import, and --help needs none of it.
    from sacl_mm.engine.launch import run_tool

    run_tool(lambda: explore(args))


def explore(args: argparse.Namespace) -> None:
    from sacl_mm.datasets.own_data import read_own_data
    from sacl_mm.engine.checks.files import check_folder
    from sacl_mm.inference import ImageTextInferencer
    from sacl_mm.inference.model_folder import find_model
    from sacl_mm.report.explore import Explorer, embed_own
    from sacl_mm.report.retrieval import embed

    serve = None if args.html else _server()
    if args.html:
        check_folder(args.html.parent, 'the folder of --html')
    cfg, checkpoint = find_model(args.model)
    if args.data:
        data = read_own_data(args.data, args.images)
        for line in data.report.lines():
            print(printable(line))
        run = embed_own(cfg, checkpoint, data)
    elif args.images:
        raise UserError('--images is the folder of DATA: give DATA, too')
    else:
        run = embed(cfg, checkpoint, 'val' if cfg.get('val_dataloader') else 'test')
    explorer = Explorer(f'{Path(args.model).resolve().name}: {checkpoint.name}', run, not args.html, not args.data)
    if args.html:
        args.html.write_text(explorer.page(), encoding='utf-8')
        print(printable(f'Page: {args.html.resolve()}'))
        return
    from sacl_mm.app.server import make_app

    try:
        model = ImageTextInferencer(cfg, checkpoint)
    except ValueError as error:  # its input is stored features
        raise UserError(f'no search: {error}; --html OUT.html writes the page without') from error
    print(f'open http://{args.host}:{args.port} (Ctrl-C ends it)')
    serve(make_app(explorer, model, args.host), host=args.host, port=args.port, log_level='warning')


def _server():
    try:
        import multipart  # noqa: F401  (python-multipart, which uploads need)
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise UserError(f'the page needs {error.name}: pip install "sacl_mm[app]"; --html needs nothing') from error
    return uvicorn.run


if __name__ == '__main__':
    main()
