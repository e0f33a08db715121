# Where jobs run: as the root recipe's, unless said otherwise here.
. ../../cmd.sh
