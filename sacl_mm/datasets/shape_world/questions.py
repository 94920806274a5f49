"""Visual question answering in the shape world; nothing is read from or written to disk."""

from collections.abc import Callable, Sequence

from sacl_mm.datasets.shape_world.drawn_dataset import DrawnDataset
from sacl_mm.datasets.shape_world.question import ANSWERS, KINDS, answer
from sacl_mm.datasets.shape_world.scene import Scene
from sacl_mm.datasets.shape_world.world import counted_scene_of, questions_of
from sacl_mm.functional.settings import check_count
from sacl_mm.registry import DATASETS


@DATASETS.register_module()
class ShapeWorldQuestions(DrawnDataset):
    """Questions about the images `start` to `start + num_images - 1`, with their only answers; one item a question.

    The images are not those of `ShapeWorld`: each is made for one of its questions. Ranges that do not meet are
    splits. A sample has `img`, `text` (the question), `image_id` (the image's number), `text_ids` and `question_id`
    (`image_id * questions_per_image + k`), `gt_answer`, `gt_answer_weight` (1), `gt_human_answers` and `question_type`, one of
    'exists', 'count', 'attribute', 'compare' and 'relation'.

    Args:
        num_images: how many images.
        image_size: side of the image in pixels.
        questions_per_image: at most 5, each of another type.
        seed: of the world.
        start: number of the first image.
        pipeline: transforms that a sample goes through.
        test_mode: as in `ImageTextDataset`.

    Raises:
        ValueError: for an argument out of range.
    """

    METAINFO = {'dataset_type': 'ShapeWorldQuestions', 'answers': ANSWERS, 'question_types': KINDS}

    def __init__(
        self,
        num_images: int,
        image_size: int = 64,
        questions_per_image: int = 4,
        seed: int = 0,
        start: int = 0,
        pipeline: Sequence[dict | Callable] = (),
        test_mode: bool = False,
    ) -> None:
        check_count('questions_per_image', questions_per_image, most=len(KINDS))
        self.questions_per_image = questions_per_image
        about = {'questions_per_image': questions_per_image}
        super().__init__('num_images', num_images, 1, image_size, seed, start, pipeline, test_mode, about)

    def load_data_list(self) -> list[dict]:
        data_list = []
        for image_id in self.numbers:
            scene, _ = counted_scene_of(self.seed, image_id)
            questions = questions_of(self.seed, image_id, self.questions_per_image)
            for number, (question, kind, text) in enumerate(questions, start=image_id * self.questions_per_image):
                true_answer = answer(question, scene)
                data_list.append(
                    {
                        'image_id': image_id,
                        'text': [text],
                        'text_ids': [number],
                        'question_id': number,
                        'gt_answer': [true_answer],
                        'gt_answer_weight': [1.0],
                        'gt_human_answers': [true_answer],
                        'question_type': kind,
                    }
                )
        return data_list

    def scenes_of(self, image_id: int) -> tuple[Scene, ...]:
        return counted_scene_of(self.seed, image_id)[:1]
