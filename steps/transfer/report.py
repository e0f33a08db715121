"""What a transfer says of itself: is it better than before, and better than without a source?"""

import json
from pathlib import Path

from steps.hmm.tree import check_same_tree
from steps.nnet.progress import loss_of
from steps.nnet.training import held_out_of
from utils.step import UserError, log, read_done


def scratch_loss(directory, tree_dir, utts):
    """Held-out loss of a network that was trained on the target alone.

    utts     what the transfer holds out
    returns  None, and the log says why, if it held out none or others
    """
    path = Path(directory) / "train.log.jsonl"
    wanted = "--scratch is a network of steps/nnet/train.py"
    if not path.is_file():
        raise UserError(path, "no such file", wanted)
    if "train_mmi" in read_done(directory):
        raise UserError(path, "is of steps/nnet/train_mmi.py, whose loss is another", wanted)
    check_same_tree(directory, tree_dir, wanted, "losses of different pdfs cannot be compared")
    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        losses = list(map(loss_of, rows))
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(path, f"is damaged ({error})", "train the network again") from None
    if not rows or rows[0]["valid_loss"] is None:
        log(f"{directory}: held no speakers out, so there is nothing to compare with")
        return None
    if held_out_of(directory) not in (None, set(utts)):
        log(f"{directory}: held out other utterances than are held out here, so losses cannot be "
            "compared; give both the same data, --held-out and --seed")
        return None
    return rows[-1].get("final_valid_loss", min(losses))


def warnings_of(before, after, scratch):
    """Sentences on what should not be; held-out losses, None where there is none."""
    if after is None:
        return []
    found = []
    if before is not None and after > before:
        found.append(f"held-out loss {after:.4f} after transfer is worse than before it, "
                     f"{before:.4f}")
    if scratch is not None and after > scratch:
        found.append(f"held-out loss {after:.4f} after transfer is worse than from scratch, "
                     f"{scratch:.4f}")
    return found


def tell(warnings):
    for warning in warnings:
        log(f"WARNING {warning}")
