"""The losses: what is known counts, what is not does not."""

from __future__ import annotations

import pytest
import torch

from cxrtriage import nets
from cxrtriage.reading.input_form import InputForm
from train.learner import Learner, _Reversed
from train.settings import Settings, read_settings


@pytest.fixture
def learner(tiny_config):
    def made(teacher_net=None, form=None, **changes) -> Learner:
        torch.manual_seed(0)
        learner = Learner(read_settings(tiny_config, **changes), teacher_net, form)
        learner.log = learner.log_dict = lambda *_, **__: None
        return learner

    return made


def batch(learner: Learner, films: int = 8, channels: int = 1):
    settings: Settings = learner.settings
    outputs = len(settings.classes) + len(settings.findings)
    pictures = torch.randint(0, 256, (films, channels, 64, 64), dtype=torch.uint8)
    targets = torch.arange(films)[:, None].remainder(2).float().repeat(1, outputs)
    return pictures, targets, torch.ones(films, outputs), torch.arange(films).remainder(2)


def test_a_few_steps_change_every_weight_and_lower_the_loss(learner):
    model = learner()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.002)
    before = {name: weight.clone() for name, weight in model.net.named_parameters()}
    data, losses = batch(model), []
    for _ in range(3):
        loss = model.training_step(data, 0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(not torch.equal(before[name], weight) for name, weight in model.net.named_parameters())


def test_a_masked_finding_counts_nothing(learner):
    model = learner(findings=["opacity", "effusion"])
    logits = torch.randn(4, 3)
    targets, weights = torch.tensor([[0.0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 0]]), torch.ones(4, 3)
    weights[1, 1] = weights[3, 2] = 0
    loss = model.class_loss(logits, targets, weights)
    other = logits.clone()
    other[1, 1] += 7
    other[3, 2] -= 7
    assert model.class_loss(other, targets, weights) == loss
    other[0, 1] += 7
    assert model.class_loss(other, targets, weights) != loss


def test_a_batch_of_which_nothing_is_known_has_a_loss_of_the_classes_alone(learner):
    model = learner(findings=["opacity"])
    logits, targets, weights = torch.randn(4, 2), torch.ones(4, 2), torch.ones(4, 2)
    weights[:, 1] = 0
    alone = learner().class_loss(logits[:, :1], targets[:, :1], weights[:, :1])
    assert model.class_loss(logits, targets, weights) == alone


def test_findings_weigh_what_the_settings_say(learner):
    logits, targets, weights = torch.randn(4, 2), torch.ones(4, 2), torch.ones(4, 2)
    losses = [
        learner(findings=["opacity"], findings_weight=share).class_loss(logits, targets, weights).item()
        for share in (0.0, 0.5, 1.0)
    ]
    assert losses[1] - losses[0] == pytest.approx(losses[2] - losses[1], rel=1e-4)


def test_with_one_class_the_softmax_is_the_sigmoid(learner):
    logits, targets, weights = (
        torch.randn(6, 1),
        torch.tensor([[0.0], [1], [1], [0], [1], [0]]),
        torch.ones(6, 1),
    )
    sigmoid = learner().class_loss(logits, targets, weights)
    softmax = learner(loss="softmax").class_loss(logits, targets, weights)
    torch.testing.assert_close(sigmoid, softmax)


def test_classes_compete_in_the_softmax_only(learner):
    """Of two classes that both want to rise, the softmax gives one what it takes from the other."""
    targets, weights = torch.tensor([[1.0, 0.0]]), torch.ones(1, 2)
    gradients = {}
    for loss in ("sigmoid", "softmax"):
        model = learner(classes=["tuberculosis", "covid19"], loss=loss)
        rises = []
        for other in (0.0, 3.0):
            logits = torch.tensor([[0.0, other]], requires_grad=True)
            model.class_loss(logits, targets, weights).backward()
            rises.append(logits.grad[0, 0].item())
        gradients[loss] = rises
    assert gradients["sigmoid"][0] == gradients["sigmoid"][1]
    assert gradients["softmax"][1] < gradients["softmax"][0] < 0


def test_the_adversarys_gradient_is_turned_round_for_the_net_alone():
    features = torch.randn(3, 4, requires_grad=True)
    weight = torch.randn(4, requires_grad=True)
    (features @ weight).sum().backward()
    straight, own = features.grad.clone(), weight.grad.clone()
    features.grad = weight.grad = None
    (_Reversed.apply(features, 0.25) @ weight).sum().backward()
    torch.testing.assert_close(features.grad, -0.25 * straight)
    torch.testing.assert_close(weight.grad, own)


def test_every_extra_has_a_share_in_the_loss(learner):
    for change in ({"lung_weight": 1.0}, {"adversary": 0.1}):
        torch.manual_seed(1)
        plain, extra = learner(), learner(**change)
        data = batch(plain, channels=2)
        # Both nets were made from the same seed, so that only the extra differs.
        assert extra.training_step(data, 0) > plain.training_step(data, 0)


def test_the_lung_loss_is_least_where_the_lungs_are_told(learner):
    model = learner(lung_weight=1.0)
    lungs = torch.zeros(1, 1, 64, 64, dtype=torch.bool)
    lungs[..., 16:48, 16:48] = True
    channels = model.net.backbone.channels[2]
    map_ = torch.zeros(1, channels, 4, 4)
    map_[:, :, 1:3, 1:3] = 1
    torch.nn.init.constant_(model.lung_head.weight, 20 / channels)
    torch.nn.init.constant_(model.lung_head.bias, -10.0)
    assert model.lung_loss(map_, lungs) < 0.01
    assert model.lung_loss(map_, ~lungs) > 5


def test_the_teacher_sees_the_students_film_and_is_neither_trained_nor_saved(learner):
    """The teacher sees the student's film in its own normalisation."""
    teacher_net = nets.build("mobilenet_v2", classes=1, neck="none").eval().requires_grad_(False)
    form = InputForm(size=32, mean=(127.5,) * 3, deviation=(127.5,) * 3)
    model = learner(teacher_net, form, teacher={"name": "t", "features": 1.0, "scores": 0.5})
    grey = torch.randint(0, 256, (2, 1, 32, 32), dtype=torch.uint8)
    scale, shift = form.scale_and_shift
    own = model.normalise(grey) * model.imitation.rescale[0] + model.imitation.rescale[1]
    torch.testing.assert_close(own, grey * scale + shift, atol=1e-4, rtol=1e-4)
    # Neither trained nor saved with the student.
    assert not any("teacher" in key for key in model.state_dict())
    loss = model.training_step(batch(model), 0)
    loss.backward()
    assert torch.isfinite(loss)
    assert model.imitation.project.weight.grad is not None
