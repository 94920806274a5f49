"""From images to cached features to a trained pair of heads, through the tools."""

import cv2
import numpy as np
import torch
from command_line import ROOT, tool
from transformers import BertConfig, BertModel

from sacl_mm.datasets import CachedFeatures

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'dark', 'bright', 'image', 'a']


def test_features_are_cached_once_and_train_heads(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / 'images').mkdir()
    lines = []
    for number in range(24):
        level = 200 if number % 2 else 40
        image = np.clip(rng.normal(level, 20, (40, 40, 3)), 0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f'images/{number}.jpg'), image)
        word = 'bright' if number % 2 else 'dark'
        lines += [f'{number}.jpg#{k}\ta {word} image' for k in range(2)]
    (tmp_path / 'Flickr8k.token.txt').write_text('\n'.join(lines) + '\n')
    for name, numbers in (('train', range(16)), ('dev', range(16, 24))):
        (tmp_path / f'Flickr_8k.{name}Images.txt').write_text(''.join(f'{n}.jpg\n' for n in numbers))
    bert = tmp_path / 'bert'
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=128
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(bert)
    (bert / 'vocab.txt').write_text('\n'.join(WORDS) + '\n')
    (tmp_path / 'features.py').write_text(
        f"_base_ = ['{ROOT}/configs/flickr8k/features.py']\n"
        'image_encoder = dict(depth=18, base_channels=8, stem_channels=8, init_cfg=None)\n'
        f'text_encoder = dict(vocab_size={len(WORDS)}, width=32, num_layers=1, num_heads=2)\n'
        f'data_preprocessor = dict(vocab_size={len(WORDS)})\n'
    )
    environment = dict(FLICKR8K=str(tmp_path), MINILM=str(bert), FEATURES=str(tmp_path / 'out'))

    whole = (tmp_path / 'images/3.jpg').read_bytes()
    (tmp_path / 'images/3.jpg').write_bytes(whole[:10])
    for workers in (0, 1):  # the others are kept, and it is said who is left out
        broken = tool(
            'cache_features.py',
            tmp_path / 'features.py',
            tmp_path / 'out',
            '--num-workers',
            workers,
            check=False,
            env=environment,
        )
        assert broken.returncode == 1
        assert 'Traceback' not in broken.stderr
        last = broken.stderr.splitlines()[-1]
        assert last.startswith(f'error: 1 images cannot be read and have no features: {tmp_path}/images/3.jpg: ')
        assert f'left out of {tmp_path}/out/train.pt' in last
        without = torch.load(tmp_path / 'out/train.pt', weights_only=True)
        assert (len(without['image_features']), len(without['text_features'])) == (15, 30)
        assert not any(path.endswith('/3.jpg') for path in without['img_paths'])
        assert len(CachedFeatures(str(tmp_path / 'out/train.pt'))) == 15
        for path in (tmp_path / 'out').iterdir():
            path.unlink()
    (tmp_path / 'images/3.jpg').write_bytes(whole)

    made = tool('cache_features.py', tmp_path / 'features.py', tmp_path / 'out', env=environment)
    assert 'train.pt: image_features (16, 160), text_features (32, 32)' in made.stdout.replace('\n', '')
    features = torch.load(tmp_path / 'out/train.pt', weights_only=True)
    assert torch.equal(features['text_features'][0], features['text_features'][1])  # the same words
    block = features['image_features'].float()[:, :32]  # the mean of stage 3
    torch.testing.assert_close(block.mean(1), torch.zeros(16), atol=1e-3, rtol=0)
    assert features['texts'][:3] == ['a dark image', 'a dark image', 'a bright image']
    assert features['img_paths'][1].endswith('1.jpg')
    again = tool('cache_features.py', tmp_path / 'features.py', tmp_path / 'out', env=environment)
    assert again.stdout.count('is there already') == 2

    options = [
        'model.towers.image_dims=160',
        'model.towers.text_dims=32',
        'train_dataloader.batch_size=8',
        'train_cfg.max_epochs=5',
    ]
    trained = tool(
        'train.py', 'configs/flickr8k/frozen.py', '--work-dir', tmp_path / 'work', options=options, env=environment
    )
    assert 'retrieval among 8 images x 16 texts' in trained.stdout
    assert 'consensus of captions on 8 images x 16 texts' in trained.stdout
    assert (tmp_path / 'work/epoch_5.pth').exists()
