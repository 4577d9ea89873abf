#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Sources of data blocks: each field lies where a controller puts it, and what has no addresses is refused.

bats_require_minimum_version 1.5.0

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

# policy FILE: one that names what is in it
policy() {
	cat <<-EOF
		interlock: 1
		mode: enforce
		zones:
		  a: {level: 2, nets: [10.0.0.0/31]}
		  b: {level: 1, nets: [10.0.0.2/31]}
		devices:
		  eng: {zone: a, ip: 10.0.0.1}
		  plc: {zone: b, ip: 10.0.0.2, names: $1}
		conduits:
		  - name: c
		    from: [eng]
		    to: [plc]
		    s7: {allow: [{name: r, functions: [read], read: [${2:-DB1}]}]}
	EOF
}
# lies FILE NAME WHERE
lies() {
	policy "$1" "$2" >p.yaml
	run -0 "$INTERLOCK" policy explain p.yaml
	[[ $output == *"may read $3 with functions"* ]] || { echo "$2 is not at $3: $output"; return 1; }
}
# refused TEXT: what stands in x.db, and the complaint
refused() {
	policy "${2:-DB1.db}" >p.yaml
	run -2 "$INTERLOCK" policy check p.yaml
	[[ $output == *"$1"* ]] || { echo "not \"$1\": $output"; return 1; }
}
block() { printf 'DATA_BLOCK DB 1\nSTRUCT\n%s\nEND_STRUCT;\nBEGIN\nEND_DATA_BLOCK\n' "$1" >DB1.db; }

@test "bits are packed, the rest lies at even bytes, structures and arrays end there" {
	cp "$ROOT/tests/names/DB10_recipe.db" .
	while read -r name where; do
		lies DB10_recipe.db "$name" "$where"
	done <<-'EOF'
		Recipe.Ready DB10.DBX0.0
		Recipe.Fault DB10.DBX0.1
		Recipe.Kind DB10.DBB1
		Recipe.Sugar DB10.DBB2..3
		Recipe.Flag DB10.DBX4.0
		Recipe.Weight DB10.DBB6..9
		Recipe.Name DB10.DBB10..16
		Recipe.One DB10.DBB18
		Recipe.Bytes DB10.DBB22..24
		"Recipe.Step[1].On" DB10.DBX26.0
		"Recipe.Step[1].Time" DB10.DBB28..31
		"Recipe.Step[2].Time" DB10.DBB34..37
		Recipe.Last DB10.DBB54..57
	EOF
	lies DB10_recipe.db '"Recipe.Main drive.Run"' DB10.DBX40.0
	lies DB10_recipe.db Recipe.Grid DB10.DBB42..53
	# A value is limited by the field's type.
	policy DB10_recipe.db | sed 's/functions: .*/functions: [write], write: [Recipe.Weight], values: {Recipe.Weight: 10.5..20}}]}/' >p.yaml
	run -0 "$INTERLOCK" policy explain p.yaml
	[[ $output == *"only DB10.DBB6..9 to 10.5..20"* ]] || { echo "$output"; return 1; }
}

@test "AWL of STEP 7: the block says its number, types are UDTs, words in any case" {
	cat >plant.awl <<-'EOF'
		type UDT 7
		  struct
		    a : word;
		    b : byte ;
		  end_struct ;
		end_type
		data_block DB 20
		title =
		author : me
		  struct
		    x : bool ;
		    u : UDT 7 ;
		    s : string ;
		    c : array [1 .. 3 ] of char := 'a', 'b', 'c';
		  end_struct ;
		begin
		  x := true;
		end_data_block
		DATA_BLOCK DB21
		  VAR RETAIN
		    y : INT;
		  END_VAR
		END_DATA_BLOCK
	EOF
	lies plant.awl DB20.u.b DB20.DBB4
	lies plant.awl DB20.s DB20.DBB6..261
	lies plant.awl DB20.c DB20.DBB262..264
	lies plant.awl DB21.y DB21.DBB0..1
}

@test "what has no addresses, or is no source: refused, with the line" {
	cp "$ROOT/tests/names/DB10_recipe.db" DB1.db
	sed -i 's/FALSE/TRUE/' DB1.db
	refused 'DB1.db:16: block "Recipe" has optimised access: its fields have no addresses'
	cp "$ROOT/tests/names/DB10_recipe.db" recipe.db
	refused 'recipe.db:10: block "Recipe" has no number: call the file DB<number>..., as in DB10_recipe.db' recipe.db
	block 'a : "Pump";'
	refused 'DB1.db:3: "Pump" is not a type that is known, nor a TYPE of this file'
	block 'a : ARRAY[0..MAX] OF INT;'
	refused '"MAX" is no number: bounds are written out'
	block 'a : ARRAY[0..1,0..1] OF BOOL;'
	refused 'an array of bits or bytes of more than one dimension'
	block 'a : ARRAY[0..40000] OF INT;'
	refused 'a block of more than 65536 bytes'
	block 'a INT;'
	refused '":" is missing'
	printf 'DATA_BLOCK DB 1\n"FB_1"\nBEGIN\nEND_DATA_BLOCK\n' >DB1.db
	refused 'block "DB1" has the fields of something that is not in this file'
	printf 'DATA_BLOCK DB 1\nSTRUCT\na : INT;\n' >DB1.db
	refused 'the name of a field is expected'
	printf 'FUNCTION_BLOCK FB 1\nEND_FUNCTION_BLOCK\n' >DB1.db
	refused 'there is no DATA_BLOCK in it'
	printf 'TYPE "T" STRUCT a : "T"; END_STRUCT; END_TYPE\nDATA_BLOCK DB 1 STRUCT a : "T"; END_STRUCT; END_DATA_BLOCK\n' >DB1.db
	refused 'more than 16 structures in each other'
}

@test "files that mean no good: an answer, and soon" {
	a='ARRAY[0..65535] OF STRUCT '
	block "x : $a $a $a END_STRUCT; END_STRUCT; END_STRUCT;"
	refused '":" is missing'
	block "x : $a y : $a z : $a END_STRUCT; END_STRUCT; END_STRUCT;"
	refused 'more fields than a policy may have names'
	{ echo "DATA_BLOCK DB 1 STRUCT x : ARRAY[1..20000] OF STRUCT y : BOOL; (*"; head -c 1000000 /dev/zero | tr '\0' x; echo "*) END_STRUCT; END_STRUCT; END_DATA_BLOCK"; } >DB1.db
	refused 'arrays of structures that are too long'
	# Any piece of a good one, and any byte of it another.
	cp "$ROOT/tests/names/DB10_recipe.db" good
	for i in $(seq 0 70 1000); do
		head -c "$i" good >DB1.db
		policy DB1.db >p.yaml
		run "$INTERLOCK" policy check p.yaml
		[ "$status" -le 2 ]
		{ head -c "$i" good; printf '{'; tail -c +$((i + 2)) good; } >DB1.db
		run "$INTERLOCK" policy check p.yaml
		[ "$status" -le 2 ]
	done
}
