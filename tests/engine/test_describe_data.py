"""`tools/describe_data.py` on files whose images are partly missing, and on the embedded world."""

import json

from command_line import ROOT, tool


def described(config):
    return tool('describe_data.py', config).stdout


def test_counts_and_missing_images(tmp_path):
    pairs = [dict(image=f'{number}.jpg', caption=[f'caption {number}', 'another']) for number in range(3)]
    (tmp_path / 'pairs.json').write_text(json.dumps(pairs))
    (tmp_path / '1.jpg').write_bytes(b'')
    dataset = dict(type='ImageTextPairs', ann_file='pairs.json', data_root=str(tmp_path), pipeline=[])
    both = dict(type='ConcatDataset', datasets=[dataset, dataset])
    loaders = dict(train_dataloader=dict(dataset=both), val_dataloader=dict(dataset=dataset), test_dataloader=None)
    config = tmp_path / 'config.py'
    config.write_text('\n'.join(f'{name} = {value!r}' for name, value in loaders.items()))
    rows = [[cell.strip() for cell in line.split('│')[1:-1]] for line in described(config).splitlines() if '│' in line]
    assert rows == [['train', 'ImageTextPairs', '6', '12', '6', '2'], ['val', 'ImageTextPairs', '3', '6', '3', '1']]
    assert 'val, first sample: 0.jpg | caption 0' in described(config)


def test_drawn_images_and_equal_splits(tmp_path):
    small = {'train': 250, 'val': 20, 'test': 20}
    loaders = [f'{name}_dataloader = dict(dataset=dict(num_images={images}))' for name, images in small.items()]
    base = f"_base_ = ['{ROOT}/configs/shape_world/vqa.py']"
    (tmp_path / 'small.py').write_text('\n'.join([base, *loaders]))
    out = described(tmp_path / 'small.py')
    assert 'val and test' in out
    assert '1,250' in out


def test_the_most_frequent_answer(tmp_path):
    answers = dict(train=['two', 'red', 'two', 'two'], val=['red', 'two'])
    loaders = {}
    for split, given in answers.items():
        questions = [dict(image='0.jpg', question=f'{number}?', answer=answer) for number, answer in enumerate(given)]
        (tmp_path / f'{split}.json').write_text(json.dumps(questions))
        dataset = dict(
            type='VisualQuestions', ann_file=f'{split}.json', data_root=str(tmp_path), data_prefix=dict(img_path='')
        )
        loaders[f'{split}_dataloader'] = dict(dataset=dict(dataset, test_mode=split == 'val', pipeline=[]))
    config = tmp_path / 'config.py'
    config.write_text('\n'.join(f'{name} = {value!r}' for name, value in loaders.items()))
    expected = 'most frequent answer in training: two; it answers 75.0% of train, 50.0% of val'
    assert expected in described(config)


def test_a_file_that_is_not_read_is_named_in_one_line(tmp_path):
    (tmp_path / 'pairs.json').write_text('[{"image": 3')
    config = tmp_path / 'config.py'
    config.write_text(
        f"train_dataloader = dict(dataset=dict(type='ImageTextPairs', ann_file='pairs.json', data_root={str(tmp_path)!r}))"
    )
    done = tool('describe_data.py', config, check=False)
    assert done.returncode != 0
    assert 'pairs.json' in done.stderr
    assert 'Traceback' not in done.stderr


def test_a_configuration_without_data(tmp_path):
    (tmp_path / 'empty.py').write_text('x = 1')
    done = tool('describe_data.py', tmp_path / 'empty.py', check=False)
    assert done.returncode != 0
    assert 'has no dataloader' in done.stderr
    assert 'Traceback' not in done.stderr
