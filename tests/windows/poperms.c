/*
 * poperms.c - stands for the product's program of this name. What it does is in a file "mode" in its
 * working directory: "ok", "fail" (exit code 7), "crash", "big" (prints a lot), "hang" (and starts a
 * second one that hangs, too). It prints its arguments and that it was given no input.
 */
#include <windows.h>

#include <stdio.h>
#include <string.h>

static void
start_second(void)
{
    STARTUPINFOA startup = { .cb = sizeof(startup) };
    PROCESS_INFORMATION info;
    char line[] = "..\\others\\poperms.exe second";

    if (CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &info)) {
        (void)CloseHandle(info.hThread);
        (void)CloseHandle(info.hProcess);
    }
}

/* Lives until it is ended; a file says so. */
static int
hang(const char *name)
{
    HANDLE held =
        CreateFileA(name, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, FILE_FLAG_DELETE_ON_CLOSE, NULL);

    (void)fflush(stdout);
    Sleep(120000);
    (void)CloseHandle(held);
    return 0;
}

int
main(int argc, char **argv)
{
    char mode[16] = "";
    FILE *file = fopen("mode", "rb");

    if (argc == 2 && strcmp(argv[1], "second") == 0)
        return hang("second");
    if (file != NULL) {
        (void)fgets(mode, sizeof(mode), file);
        (void)fclose(file);
    }
    for (int i = 1; i < argc; i++)
        printf("%s ", argv[i]);
    printf("input %d\n", getchar());
    if (strcmp(mode, "big") == 0)
        for (int i = 0; i < 20000; i++)
            printf("C:\\Post.Office\\mailbox\\%d\n", i);
    if (strcmp(mode, "hang") == 0) {
        start_second();
        return hang("first");
    }
    if (strcmp(mode, "crash") == 0)
        TerminateProcess(GetCurrentProcess(), 0xC0000005);
    printf("first line\nlast line\n\n");
    return strcmp(mode, "fail") == 0 ? 7 : 0;
}
