# jq -c --slurpfile table TABLE -f enrich.jq
#
# The table is read once; a look-up in it is by hash. jq writes every number anew: as a double, with 17 digits at most.
$table[0] as $t
| $t.codes[.HangupCauseCode | tostring] as $object
| if $object then .[$t.field] = $object else . end
