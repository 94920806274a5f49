"""One's own files: images are found, unreadable ones named, and copies stay on one side of the split."""

import cv2
import numpy as np
import pytest

from sacl_mm.datasets.own_data import read_own_data, validation_split
from sacl_mm.user_error import AnnotationError


def write_images(folder, count=30, start=0):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(start, start + count):
        coarse = np.random.default_rng(number).integers(0, 255, (5, 7, 3), np.uint8)
        cv2.imwrite(str(folder / f'{number}.png'), cv2.resize(coarse, (56, 40)))


def write_captions(path, numbers):
    path.write_text('image,caption\n' + ''.join(f'{number}.png,caption {number}\n' for number in numbers))
    return path


@pytest.mark.parametrize('place', ['', 'images', 'photos'])
def test_images_are_found_beside_the_captions(tmp_path, place):
    write_images(tmp_path / place, 4)
    data = read_own_data(str(write_captions(tmp_path / 'captions.csv', range(4))))
    assert data.image_folder.rstrip('/') == str(tmp_path / place).rstrip('/')
    assert data.names == ['0.png', '1.png', '2.png', '3.png']


def test_a_folder_with_texts_beside_its_images_is_enough(tmp_path):
    write_images(tmp_path, 3)
    for number in range(3):
        (tmp_path / f'{number}.txt').write_text(f'caption {number}\n')
    data = read_own_data(str(tmp_path))
    assert data.captions[str(tmp_path / '2.png')] == ['caption 2']


def test_what_cannot_be_used_is_named(tmp_path):
    write_images(tmp_path, 4)
    (tmp_path / '1.png').write_bytes(b'no image')
    path = write_captions(tmp_path / 'captions.csv', range(5))
    path.write_text(path.read_text() + '3.png, \n')
    data = read_own_data(str(path))
    assert data.names == ['0.png', '2.png', '3.png']
    (line,) = [line for line in data.report.lines() if 'cannot be read' in line]
    assert 'cannot be read: 2' in line
    assert '1.png' in line
    assert '4.png' in line


def test_names_open_nothing_outside_the_folder(tmp_path):
    write_images(tmp_path, 1, start=9)
    write_images(tmp_path / 'mine', 2)
    path = write_captions(tmp_path / 'mine/captions.csv', range(2))
    path.write_text(path.read_text() + f'../9.png,not mine\n{tmp_path}/9.png,nor this\n')
    data = read_own_data(str(path))
    assert data.names == ['0.png', '1.png']
    assert data.sizes == [(40, 56)] * 2
    assert f'mine/ (--images names another folder): 2 (../9.png, {tmp_path}/9.png)' in data.report.lines()[-1]
    path.write_text(f'image,caption\n{tmp_path}/9.png,nor this\n')
    with pytest.raises(AnnotationError, match='none of its 1 images .*--images names another folder'):
        read_own_data(str(path))
    assert read_own_data(str(path), images=str(tmp_path)).names == [f'{tmp_path}/9.png']


def test_where_no_image_is_the_folders_are_named(tmp_path):
    path = write_captions(tmp_path / 'captions.csv', range(3))
    with pytest.raises(FileNotFoundError, match=r"'0\.png' is not in .*--images"):
        read_own_data(str(path))
    with pytest.raises(FileNotFoundError, match='is that the folder that the names start from'):
        read_own_data(str(path), images=str(tmp_path / 'elsewhere'))
    write_images(tmp_path, 0)
    (tmp_path / '0.png').write_bytes(b'')
    with pytest.raises(AnnotationError, match='none of its 3 images can be read'):
        read_own_data(str(path))


def test_the_split_is_a_tenth_and_does_not_depend_on_the_order(tmp_path):
    write_images(tmp_path)
    train, val = validation_split(read_own_data(str(write_captions(tmp_path / 'a.csv', range(30)))))
    again, val_again = validation_split(read_own_data(str(write_captions(tmp_path / 'b.csv', reversed(range(30))))))
    assert (len(train), len(val)) == (27, 3)
    assert (set(train), set(val)) == (set(again), set(val_again))


def test_copies_stay_on_one_side(tmp_path):
    write_images(tmp_path)
    for number in range(30):  # each image again, smaller
        image = cv2.imread(str(tmp_path / f'{number}.png'))
        cv2.imwrite(str(tmp_path / f'{number + 30}.png'), cv2.resize(image, (28, 20), interpolation=cv2.INTER_AREA))
    train, val = validation_split(read_own_data(str(write_captions(tmp_path / 'captions.csv', range(60)))))
    assert len(val) == 6
    assert {f'{(int(name[:-4]) + 30) % 60}.png' for name in val} == set(val)
    assert not set(train) & set(val)


def test_a_file_says_what_is_validated(tmp_path):
    write_images(tmp_path, 6)
    data = read_own_data(str(write_captions(tmp_path / 'captions.csv', range(6))))
    (tmp_path / 'val.txt').write_text('4.png\n2.png\nnone.png\n')
    assert validation_split(data, str(tmp_path / 'val.txt')) == (
        ['0.png', '1.png', '3.png', '5.png'],
        ['2.png', '4.png'],
    )
    assert any('validation split that are not there: 1 (none.png)' in line for line in data.report.lines())
    (tmp_path / 'val.txt').write_text('no.png\n')
    with pytest.raises(AnnotationError, match=r"none of its 1 names .* look like '0\.png'"):
        validation_split(data, str(tmp_path / 'val.txt'))


def test_too_few_images_are_an_error_and_no_traceback_later(tmp_path):
    write_images(tmp_path, 3)
    with pytest.raises(AnnotationError, match='both need two at least'):
        validation_split(read_own_data(str(write_captions(tmp_path / 'captions.csv', range(3)))))
