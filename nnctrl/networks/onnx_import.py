"""Networks from ONNX files.

The graph is read operator by operator into the normal form (`normal_form`) and the result is checked against the
reference evaluation that comes with the onnx package, at a few points. All opsets from 6 on, float16 to float64; the
batch size is 1 or symbolic.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnctrl.errors import InputError, NetworkFileError, UnsupportedError
from nnctrl.networks.network import Network, Origin
from nnctrl.networks.normal_form import NormalForm, Signal
from nnctrl.networks.onnx_file import graph_input, input_shape, load_model, stored_tensors
from nnctrl.networks.onnx_node import Node, Value
from nnctrl.networks.onnx_operators import OPERATORS
from nnctrl.networks.onnx_reference import check_against_reference

if TYPE_CHECKING:
    import onnx


def read_onnx(path: str | Path) -> Network:
    """The network of an ONNX file with one input and one output, as the real function of the numbers in the file.

    Tensors are flattened in row-major order. Maps that had to be multiplied carry radii for the rounding. The origin
    is the file's name and the SHA-256 of its bytes (followed by those of external data files). Raises
    NetworkFileError (missing, damaged, not finite, or not what the reference evaluation says) or UnsupportedError,
    both naming the file. Cost: about 0.2 s for importing onnx and the check.
    """
    place = Path(path)
    model, origin = load_model(place)
    try:
        network = _translate(model, origin)
        check_against_reference(network, model)
    except InputError as error:
        kind = UnsupportedError if isinstance(error, UnsupportedError) else NetworkFileError
        # names in the file may hold anything, line breaks too
        raise kind(f"'{place.name}': {' '.join(str(error).split())}") from error
    return network


def _translate(model: onnx.ModelProto, origin: Origin) -> Network:
    graph = model.graph
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset < 6:
        raise UnsupportedError(f"it uses opset {opset}; supported are opsets from 6 on: export the network again")
    if len(graph.output) != 1:
        names = ", ".join(output.name for output in graph.output)
        raise UnsupportedError(f"it has {len(graph.output)} outputs ({names}); export a network with one")
    own = {(function.domain, function.name) for function in model.functions}
    if any((node.domain, node.op_type) in own for node in graph.node):
        raise UnsupportedError("it defines functions of its own; export the network with standard operators only")
    values = stored_tensors(graph)
    given = graph_input(model)
    form = NormalForm()
    shape = input_shape(given)
    values[given.name] = form.source(shape)
    uses = Counter(name for node in graph.node for name in node.input)
    uses.update(output.name for output in graph.output)
    for proto in graph.node:
        result = _apply(proto, opset, values, uses, form)
        if proto.output:
            values[proto.output[0]] = result
    output = graph.output[0].name
    final = values.get(output)
    if final is None:
        raise NetworkFileError(f"nothing defines its output '{output}'; the file is damaged")
    if not isinstance(final, Signal):
        raise NetworkFileError(f"its output '{output}' does not depend on its input; export the network again")
    return form.finish(final, origin)


def _apply(proto: onnx.NodeProto, opset: int, values: dict[str, Value], uses: Counter[str], form: NormalForm) -> Value:
    """What one node computes; errors name the node."""
    label = f"node '{proto.name or (proto.output[0] if proto.output else '')}' ({proto.op_type})"
    handler = OPERATORS.get(proto.op_type) if proto.domain in ("", "ai.onnx") else None
    if handler is None:
        raise UnsupportedError(f"{label} is not supported; supported operators are {', '.join(OPERATORS)}")
    try:
        attributes = _attributes(proto)
        return handler(Node(proto.op_type, proto.name, tuple(proto.input), attributes, opset, values, uses, form))
    except InputError as error:
        kind = UnsupportedError if isinstance(error, UnsupportedError) else NetworkFileError
        raise kind(f"{label}: {error}") from error
    except (ArithmeticError, LookupError, StopIteration, TypeError, ValueError) as error:
        raise NetworkFileError(f"{label} is malformed ({error}); export the network again") from error


def _attributes(proto: onnx.NodeProto) -> dict[str, Any]:
    """Attributes as Python values, tensors as arrays, strings decoded."""
    import onnx

    result = {}
    for attribute in proto.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, onnx.TensorProto) and onnx.external_data_helper.uses_external_data(value):
            raise UnsupportedError(
                f"its attribute '{attribute.name}' is kept outside the file; export the network with constants inside"
            )
        if isinstance(value, bytes):
            value = value.decode()
        result[attribute.name] = onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value
    return result
