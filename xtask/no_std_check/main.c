/* Links raft-core from C: proves that the static library is whole. See src/lib.rs. */
int quorate_elects_itself(void);

int main(void) {
    return quorate_elects_itself();
}
