"""The outline decides what a person would: which blocks are one class, what its arguments are called, and where a variable stands."""

from __future__ import annotations

from typing import Any

import pytest

import unicnn as un
from tests.porting.structures import structure
from unicnn.graph import infer
from unicnn.model import Layer, Model
from unicnn.ops import Add, BatchNorm2d, Conv2d, Flatten, Linear, Mul, ReLU, Sigmoid
from unicnn.ops.symbolic import Input
from unicnn.porting.outline import Definition, Hints, Outline, outline
from unicnn.porting.outline.text import construction, number, parameters, text
from unicnn.porting.outline.words import class_name, identifier, snake, stem

pytest.importorskip("unicnn_torch.emitting.spelling", reason="the outline needs a dialect's words")
from unicnn_torch.emitting.spelling import Spelling


def planned(model: Model, hints: Hints | None = None) -> Outline:
    return outline(infer(model), Spelling(), hints)


def heads(plan: Outline) -> dict[str, str]:
    return {item.name: parameters(item.parameters) for item in plan.definitions}


def forward(item: Definition) -> list[str]:
    return [
        ("return " if line.target is None else f"{line.target} = ") + text(line.value) + (f" if {line.condition}" if line.condition else "")
        for line in item.statements
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "resnet18",
            {"Block": "in_channels, out_channels, stride=1, project=False", "stage": "in_channels, out_channels, stride=1, project=False"},
        ),
        ("vgg11-quarter", {"block": "in_channels, out_channels, convs"}),
        ("nin", {"block": "in_channels, out_channels, kernel_size, stride=1, padding=0"}),
        ("inception-block", {}),
        ("lenet", {}),
        ("bottlenecks", {"Bottleneck": "in_channels, out_channels, stride=1, downsample=False"}),
        ("convnext", {"Block": ""}),
        ("gates and named outputs", {"SE": "in_channels", "block": "in_channels, out_channels"}),
    ],
)
def test_blocks_that_are_alike_are_one_definition(name: str, expected: dict[str, str]) -> None:
    model, hints = (un.zoo.get(name), None) if name == "vgg11-quarter" else structure(name)
    assert heads(planned(model, hints)) == expected


def test_a_part_that_only_some_blocks_have_is_an_option() -> None:
    block = planned(un.zoo.resnet18()).definitions[0]
    assert forward(block) == [
        "y = F.relu(self.norm1(self.conv1(x)))",
        "y = self.norm2(self.conv2(y))",
        "x = self.conv3(x) if conv3",
        "return F.relu(y + x)",
    ]
    assert {member.name: member.option for member in block.members} == {
        "conv1": None, "norm1": None, "conv2": None, "norm2": None, "conv3": "project",
    }  # fmt: skip
    assert block.paths == tuple(f"stage{i}.block{j}" for i in (1, 2, 3, 4) for j in (1, 2))


def test_an_option_whose_input_is_read_again_leaves_the_input_alone() -> None:
    x = Input(2, 4, 4)
    y = x
    for i in (1, 2):
        z = ReLU()(y, name=f"block{i}.relu")
        s = Conv2d(2, 3, padding=1)(z, name=f"block{i}.extra") if i == 1 else z
        y = Add()(Mul()(s, z, name=f"block{i}.mul"), y, name=f"block{i}.add")
    assert forward(planned(Model(x, y)).definitions[0]) == [
        "y = F.relu(x)",
        "z = y",
        "z = self.extra(y) if extra",
        "return z * y + x",
    ]


def test_channels_that_are_multiples_of_others_need_no_argument() -> None:
    block = planned(*structure("bottlenecks")).definitions[0]
    made = {member.name: construction(member.make) for member in block.members if member.make}
    assert made["conv3"] == "nn.Conv2d(out_channels, 4 * out_channels, 1, bias=False)"
    (downsample,) = [member for member in block.members if member.name == "downsample"]
    assert downsample.kind == "sequence"
    assert [construction(child.make) for child in downsample.children if child.make] == [
        "nn.Conv2d(in_channels, 4 * out_channels, 1, stride=stride, bias=False)",
        "nn.BatchNorm2d(4 * out_channels)",
    ]


def test_equal_parts_in_a_row_are_counted() -> None:
    plan = planned(*structure("convnext"))
    (blocks,) = [member for member in plan.root.members if member.name == "blocks"]
    assert [(child.name, child.repeat) for child in blocks.children] == [("0", 5)]


def test_layers_that_alternate_under_numbers_are_a_loop() -> None:
    (block,) = planned(*structure("vgg")).definitions
    loop, pool = block.members
    assert (loop.kind, loop.name, str(loop.repeat), loop.carried) == ("loop", "1", "convs", (("in_channels", "out_channels"),))
    assert [child.name for child in loop.children] == ["conv1", "relu1"]
    assert pool.name == "pool"


def test_hinted_names_of_classes_are_kept_and_divide() -> None:
    model, hints = structure("bottlenecks")
    assert [item.name for item in planned(model).definitions] == ["Block"]
    other = Hints({**hints.classes, "layer1.0": "Stem"})
    assert sorted(heads(planned(model, other))) == ["Bottleneck", "Stem"]


def test_a_hinted_class_that_is_a_chain_gets_a_forward() -> None:
    ops = [("block.conv", Conv2d(2, 3)), ("block.relu", ReLU()), ("flatten1", Flatten()), ("fc", Linear(2))]
    model = un.Sequential(ops, input=(1, 5, 5))
    plain, hinted = planned(model), planned(model, Hints({"block": "ConvReLU"}))
    assert [(member.name, member.kind) for member in plain.root.members] == [("block", "sequence"), ("fc", "layer")]
    assert forward(hinted.definitions[0]) == ["return F.relu(self.conv(x))"]
    assert hinted.functions == {"block.relu", "flatten1"}


@pytest.mark.parametrize("name", ["left.conv", "odd.conv"])
def test_scopes_that_interleave_become_containers(name: str) -> None:
    x = Input(1, 4, 4)
    a = Conv2d(1, 1)(x, name=name)
    b = Conv2d(1, 1)(x, name="right.conv")
    a = Sigmoid()(a, name=f"{name.partition('.')[0]}.sigmoid")
    plan = planned(Model(x, Add()(a, Sigmoid()(b, name="right.sigmoid"), name="add1")))
    assert [(member.kind, [child.name for child in member.children]) for member in plan.root.members] == [
        ("container", ["conv", "sigmoid"]),
        ("container", ["conv", "sigmoid"]),
    ]
    assert plan.functions == {"add1"}


def test_a_scope_of_two_results_is_a_container() -> None:
    x = Input(1, 4, 4)
    a = Conv2d(1, 1)(x, name="part.a")
    b = Conv2d(1, 1)(a, name="part.b")
    (member,) = planned(Model(x, Add()(a, b, name="add1"))).root.members
    assert member.kind == "container"


def test_a_value_with_two_readers_has_a_variable_and_others_have_none() -> None:
    x = Input(4)
    y = Linear(4)(x, name="fc1")
    z = ReLU()(y, name="relu1")
    out = Add()(z, y, name="add1")
    plan = planned(Model(x, Linear(2)(out, name="fc2")))
    assert forward(plan.root) == ["x = self.fc1(x)", "x = F.relu(x) + x"]
    assert [text(value) for _, value in plan.results] == ["self.fc2(x)"]


def test_a_value_of_the_other_operand_is_not_overtaken() -> None:
    """Layers run in the model's order, also where an operand written later stands first."""
    x = Input(4)
    first = Linear(4)(x, name="fc1")
    second = Linear(4)(x, name="fc2")
    plan = planned(Model(x, Add()(second, first, name="add1")))
    assert forward(plan.root) == ["y = self.fc1(x)", "x = self.fc2(x)"]
    assert [text(value) for _, value in plan.results] == ["x + y"]


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda a, b, c: Add()(a, Add()(b, c, name="add1"), name="add2"), "a + (b + c)"),
        (lambda a, b, c: Add()(Add()(a, b, name="add1"), c, name="add2"), "a + b + c"),
        (lambda a, b, c: Mul()(Add()(a, b, name="add1"), c, name="mul1"), "(a + b) * c"),
        (lambda a, b, c: Add()(Mul()(a, b, name="mul1"), c, name="add1"), "a * b + c"),
        (lambda a, b, c: ReLU()(Add()(a, b, c, name="add1"), name="relu1"), "F.relu(a + b + c)"),
    ],
)
def test_parentheses_stand_where_they_are_needed(build: Any, expected: str) -> None:
    values = {name: Input(4, name=name) for name in "abc"}
    plan = planned(Model(list(values.values()), build(*values.values())))
    assert [text(value) for _, value in plan.results] == [expected]


def test_names_that_python_or_the_framework_has_are_changed_and_told() -> None:
    model, _ = structure("two inputs and hard names")
    assert planned(model).renamed == {
        "left-arm.conv": "left_arm.conv", "left-arm.0": "left_arm.0",
        "right-arm.conv": "right_arm.conv", "right-arm.type": "right_arm.type_",
        "train.sum": "train_.sum_", "train.class": "train_.class_", "train.1": "train_.1",
    }  # fmt: skip


def test_a_layer_and_a_scope_of_one_name_are_told_apart() -> None:
    layers = [Layer("a", Conv2d(2, 1), ("input",)), Layer("a.b", Conv2d(2, 1), ("a",)), Layer("a.c", BatchNorm2d(), ("a.b",))]
    plan = planned(Model.of([("input", (1, 3, 3))], layers))
    assert [member.name for member in plan.root.members] == ["a", "a2"]
    assert plan.renamed == {"a.b": "a2.b", "a.c": "a2.c"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lenet", "LeNet"),
        ("tf-cnn", "TFCNN"),
        ("vgg11", "VGG11"),
        ("inception-block", "InceptionBlock"),
        ("MyNet", "MyNet"),
        ("3d_net", "Net3dNet"),
    ],
)
def test_networks_are_called_as_people_call_them(name: str, expected: str) -> None:
    assert class_name(name) == expected


def test_words_are_those_of_a_person() -> None:
    assert (snake("BasicBlock"), stem("stage1.block2"), stem("layer1.0")) == ("basic_block", "Block", "Block")
    assert (identifier("left-arm"), identifier("0"), identifier("class"), identifier("sum")) == ("left_arm", "_0", "class_", "sum_")
    assert [number(value) for value in (1e-5, 0.1, 6.0, 1e20)] == ["1e-5", "0.1", "6.0", "1e20"]


def test_a_sum_that_only_some_blocks_have_is_a_flag() -> None:
    block = next(item for item in planned(*structure("inverted residuals")).definitions if item.name == "InvertedResidual")
    assert parameters(block.parameters) == "in_channels, out_channels, stride=1, residual=False"
    assert [(member.name, member.kind, member.option) for member in block.members] == [
        ("conv", "sequence", None),
        ("residual", "flag", "residual"),
    ]
    assert forward(block) == ["y = self.conv(x)", "y = x + y if residual", "return y"]
    assert [line.flag for line in block.statements] == [False, True, False]


def test_a_function_that_only_some_blocks_have_is_a_flag() -> None:
    x = y = Input(2, 4, 4)
    for i in (1, 2):
        y = Conv2d(2, 3, padding=1)(y, name=f"block{i}.conv")
        y = ReLU()(y, name=f"block{i}.relu") if i == 1 else y
        y = Sigmoid()(Add()(y, y, name=f"block{i}.add"), name=f"block{i}.sigmoid")
    assert forward(planned(Model(x, y)).definitions[0]) == [
        "x = self.conv(x)",
        "x = F.relu(x) if use_relu",
        "return torch.sigmoid(x + x)",
    ]


def test_a_class_whose_members_are_numbered_is_a_list() -> None:
    plan = planned(*structure("branches in lists"))
    concurrent = next(item for item in plan.definitions if item.name == "Concurrent")
    assert concurrent.listed
    assert forward(concurrent) == ["return torch.cat([self[0](x), self[1](x)], dim=1)"]


def test_parts_whose_channels_grow_evenly_are_a_range() -> None:
    (dense,) = [member for member in planned(*structure("even growth")).root.members if member.name == "dense"]
    assert [(child.name, child.repeat, child.series) for child in dense.children] == [("0", 5, ("in_channels", range(4, 14, 2)))]


def test_channels_between_others_are_hidden() -> None:
    x = y = Input(3, 4, 4)
    for i, (inner, outer) in enumerate(((5, 7), (6, 11)), 1):
        y = Conv2d(outer, 1)(ReLU()(Conv2d(inner, 1)(y, name=f"block{i}.conv1"), name=f"block{i}.relu"), name=f"block{i}.conv2")
        y = Add()(y, y, name=f"block{i}.add")
    assert heads(planned(Model(x, y))) == {"Block": "in_channels, hidden_channels, out_channels"}
