# What the scripts here have in common. Set: ebb, the command, and drawn, a folder for what it draws.

# row NAME TRACE ARGUMENT...: the first seed of a case of ebb sim, as docs/pictures/NAME.svg. A missed bar is no reason not to draw it.
row() {
	name=$1 trace=$2
	shift 2
	"$ebb" sim "$@" --seeds 1 --pictures "$drawn" || [ $? -eq 1 ]
	mv "$drawn/$trace.svg" "docs/pictures/$name.svg"
}
