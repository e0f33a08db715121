"""Priors and output layers that are put together from a source's."""

import numpy as np
import pytest

from steps.transfer.initial import map_output, map_priors


def test_priors_share_out_what_each_source_pdf_has():
    pdf_map = np.array([[1, 0, 0], [1, 0, 0], [0, 0.5, 0.5]])
    assert map_priors(pdf_map, np.array([0.6, 0.3, 0.1])) == pytest.approx([0.3, 0.3, 0.4])
    unheard = map_priors(np.array([[1.0, 0, 0]]), np.array([0.6, 0.3, 0.1]))
    assert unheard == pytest.approx([1])      # what no target pdf sounds like is left out


def test_an_output_layer_by_hand():
    kernel, bias = np.array([[1.0, 3.0]]), np.array([0.5, -0.5])
    priors, target = np.array([0.25, 0.75]), np.array([0.1, 0.9])
    pdf_map = np.array([[1.0, 0.0], [0.5, 0.5]])
    mapped, offset = map_output(kernel, bias, priors, pdf_map, target)
    assert mapped.tolist() == [[1, 2]]
    assert offset == pytest.approx([0.5 - np.log(0.25) + np.log(0.1),
                                    -0.5 * np.log(0.25 * 0.75) + np.log(0.9)])
